import { type ChainHead, chainAfter, EMPTY, type TimedNote } from '../../../core/audit/chain.ts';
import { sha256 } from '../../../core/crypto/sha256.node.ts';
import type { Connection } from '../file/connection.ts';

/** The chains, for who is inside a transaction. */
export interface AuditTable {
  headOf(tenant: string): ChainHead;
  add(tenant: string, notes: readonly TimedNote[]): void;
}

export function createAuditTable(connection: Connection): AuditTable {
  const end = connection.query<ChainHead>('SELECT seq, hash FROM audit_heads WHERE tenant = ?');
  const moveEnd = connection.query('INSERT OR REPLACE INTO audit_heads VALUES (?, ?, ?)');
  const add = connection.query('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const headOf = (tenant: string): ChainHead => {
    const { seq, hash } = end.get(tenant) ?? EMPTY;
    // The library's rows hold more than their columns.
    return { seq, hash };
  };
  return {
    headOf,
    add(tenant, notes) {
      const entries = chainAfter(headOf(tenant), tenant, notes, sha256);
      for (const { seq, at, actor, action, subject, data, prev, hash } of entries) {
        add.run(tenant, seq, Date.parse(at), actor, action, subject, JSON.stringify(data), prev, hash);
      }
      const last = entries.at(-1);
      if (last !== undefined) moveEnd.run(tenant, last.seq, last.hash);
    },
  };
}
