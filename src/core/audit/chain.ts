import { canonicalJson } from '../json/canonical-json.ts';
import type { AuditNote } from './entry.ts';

/** One entry of a tenant's chain, as it is exported. */
export interface AuditEntry extends AuditNote {
  /** 1, 2, 3 …: without a gap. */
  readonly seq: number;
  /** UTC, e.g. `2026-11-22T09:30:00.000Z`. */
  readonly at: string;
  readonly tenant: string;
  /** `hash` of the entry before; of the first one `GENESIS`. */
  readonly prev: string;
  readonly hash: string;
}

/** The latest entry of a chain. Whoever knows it can tell when the end of a chain is missing. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

/** A note and when it was made, in epoch ms. */
export interface TimedNote extends AuditNote {
  readonly at: number;
}

/** What the first entry of every chain follows. */
export const GENESIS = '0'.repeat(64);

/** The end of a chain without entries. */
export const EMPTY: ChainHead = { seq: 0, hash: GENESIS };

/** SHA-256 of a text as UTF-8, in 64 lower-case hexadecimal digits. */
export type Sha256 = (text: string) => string;

/** The hash of an entry covers everything else in it, the hash before it included. */
export const hashOf = (
  { seq, at, tenant, actor, action, subject, data, prev }: Omit<AuditEntry, 'hash'>,
  sha256: Sha256,
): string => sha256(canonicalJson({ seq, at, tenant, actor, action, subject, data, prev }));

/** The entries that notes become after `head`, in their order. */
export function chainAfter(
  head: ChainHead,
  tenant: string,
  notes: readonly TimedNote[],
  sha256: Sha256,
): readonly AuditEntry[] {
  let { seq, hash: prev } = head;
  return notes.map(({ at, actor, action, subject, data }) => {
    seq += 1;
    const entry = { seq, at: new Date(at).toISOString(), tenant, actor, action, subject, data, prev };
    const hash = hashOf(entry, sha256);
    prev = hash;
    return { ...entry, hash };
  });
}
