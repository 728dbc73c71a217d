import type { AuditEntry } from '../../../core/audit/chain.ts';
import type { Actor, AuditAction } from '../../../core/audit/entry.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { Audit } from '../../audit.ts';
import type { StoreParts } from '../store-parts.ts';

interface AuditRow {
  readonly seq: number;
  readonly at: number;
  readonly actor: Actor;
  readonly action: AuditAction;
  readonly subject: string;
  /** JSON */
  readonly data: string;
  readonly prev: string;
  readonly hash: string;
}

/** Whoever appends has the file to itself: the chain cannot fork, and an entry is there once or not at all. */
export function createAudit({ connection, writer, audit: { headOf, add } }: StoreParts): Audit {
  const list = connection.query<AuditRow>('SELECT * FROM audit WHERE tenant = ? AND seq >= ? ORDER BY seq LIMIT ?');
  return {
    append: (tenant, notes) =>
      writer.write(() => {
        add(tenant, notes);
        return headOf(tenant);
      }),
    async read(tenant, { from, limit }) {
      return writer.read(() => list.all(tenant, from, limit)).map((row) => toEntry(tenant, row));
    },
    head: async (tenant) => writer.read(() => headOf(tenant)),
  };
}

/** Entries removed by one transaction: about 5 ms, so that accepting never waits long behind it. */
const CHUNK = 200;

/** Makes what removes the oldest entries of all chains, as far as they are old enough without a gap. */
export function createAuditTrim({ connection, writer, limits, clock }: StoreParts): () => Promise<void> {
  const chains = connection.query<{ tenant: string }>('SELECT tenant FROM audit_heads');
  const oldest = connection.query<{ seq: number; at: number }>(
    `SELECT seq, at FROM audit WHERE tenant = ? ORDER BY seq LIMIT ${CHUNK}`,
  );
  const remove = connection.query('DELETE FROM audit WHERE tenant = ? AND seq <= ?');

  /** The number of the last entry to go, 0 for none. */
  function lastOld(tenant: string, cutoff: number): number {
    const rows = oldest.all(tenant);
    const kept = rows.findIndex(({ at }) => at > cutoff);
    return (kept === -1 ? rows.at(-1) : rows[kept - 1])?.seq ?? 0;
  }

  return async () => {
    const cutoff = clock() - limits.auditKeepMs;
    for (const { tenant } of writer.read(() => chains.all())) {
      while (writer.read(() => lastOld(tenant, cutoff)) > 0) {
        await writer.write(() => remove.run(tenant, lastOld(tenant, cutoff)));
      }
    }
  };
}

const toEntry = (tenant: string, { seq, at, actor, action, subject, data, prev, hash }: AuditRow): AuditEntry => ({
  seq,
  at: new Date(at).toISOString(),
  tenant,
  actor,
  action,
  subject,
  data: JSON.parse(data) as JsonObject,
  prev,
  hash,
});
