import * as z from 'zod';
import { canonicalJson } from '../json/canonical-json.ts';
import type { JsonObject, JsonValue } from '../json/json-text.ts';
import { type AuditEntry, type ChainHead, GENESIS, type Sha256 } from './chain.ts';
import { type Actor, auditActions } from './entry.ts';

/**
 * Why a chain is not whole. `malformed`: no entry at all. `altered`: its hash is not that of its content. `missing`: one
 * or more before it are gone. `misplaced`: it, or one with its number, stood before. `forked`: it follows another entry
 * than the one before it. `foreign`: of another tenant. `not-the-known`: another entry is known to have had its number.
 * `cut-off`: entries after the last one are known.
 */
export type ChainFault =
  | 'malformed'
  | 'altered'
  | 'missing'
  | 'misplaced'
  | 'forked'
  | 'foreign'
  | 'not-the-known'
  | 'cut-off';

export type ChainVerdict =
  | {
      readonly ok: true;
      readonly entries: number;
      /** Absent when there are no entries. Above 1: what came before was trimmed, and this says nothing about it. */
      readonly chain?: { readonly tenant: string; readonly first: number; readonly head: ChainHead };
    }
  /** `seq` is the number the first bad entry has or should have. */
  | { readonly ok: false; readonly seq: number; readonly fault: ChainFault };

export interface ChainCheck {
  /** Looks at the next entry. Once something is wrong it stays so. */
  add(value: unknown): void;
  verdict(): ChainVerdict;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const entrySchema = z.strictObject({
  seq: z.int().min(1),
  at: z.iso.datetime({ precision: 3 }),
  tenant: z.string().min(1),
  actor: z.custom<Actor>((value) => typeof value === 'string' && /^(?:system$|agent:|user:)/.test(value)),
  action: z.enum(auditActions),
  subject: z.string(),
  data: z.record(z.string(), z.json()) as unknown as z.ZodType<JsonObject>,
  prev: digest,
  hash: digest,
});

/**
 * Checks a chain entry by entry, in the order of the export, without keeping it. `known` are entries that are known to
 * exist, from another place than the chain: the only way to see that its end is missing.
 */
export function createChainCheck(sha256: Sha256, known: readonly ChainHead[] = []): ChainCheck {
  const expected = new Map<number, Set<string>>();
  for (const { seq, hash } of known) expected.set(seq, (expected.get(seq) ?? new Set()).add(hash));
  /** Where two hashes are known of one number, no entry can be both: a checkpoint of a chain that was made anew. */
  const isKnownOther = (seq: number, hash: string): boolean => {
    const hashes = expected.get(seq);
    return hashes !== undefined && (hashes.size > 1 || !hashes.has(hash));
  };
  const lastKnown = Math.max(0, ...expected.keys());
  let first: AuditEntry | undefined;
  let last: AuditEntry | undefined;
  let fault: Extract<ChainVerdict, { ok: false }> | undefined;
  let entries = 0;

  /** `value` is the entry as it came: parsing leaves out members called `__proto__`, and they count as well. */
  function faultOf(entry: AuditEntry, value: object): ChainFault | undefined {
    if (last !== undefined) {
      if (entry.tenant !== last.tenant) return 'foreign';
      if (entry.seq <= last.seq) return 'misplaced';
      if (entry.seq > last.seq + 1) return 'missing';
    }
    if (hashAsItCame(value, sha256) !== entry.hash) return 'altered';
    if (entry.prev !== (last?.hash ?? (entry.seq === 1 ? GENESIS : entry.prev))) return 'forked';
    const isOther = isKnownOther(entry.seq, entry.hash) || isKnownOther(entry.seq - 1, entry.prev);
    return isOther ? 'not-the-known' : undefined;
  }

  return {
    add(value) {
      if (fault !== undefined) return;
      const next = (last?.seq ?? 0) + 1;
      const parsed = entrySchema.safeParse(value);
      const found = parsed.success ? faultOf(parsed.data, value as object) : 'malformed';
      if (found !== undefined) {
        const seq = found === 'missing' || !parsed.success ? next : parsed.data.seq;
        fault = { ok: false, seq, fault: found };
        return;
      }
      last = parsed.data;
      first ??= last;
      entries += 1;
    },
    verdict() {
      if (fault !== undefined) return fault;
      if (lastKnown > (last?.seq ?? 0)) return { ok: false, seq: (last?.seq ?? 0) + 1, fault: 'cut-off' };
      if (first === undefined || last === undefined) return { ok: true, entries };
      const { tenant, seq, hash } = last;
      return { ok: true, entries, chain: { tenant, first: first.seq, head: { seq, hash } } };
    },
  };
}

function hashAsItCame(value: object, sha256: Sha256): string {
  const { hash: _, ...rest } = value as JsonObject;
  return sha256(canonicalJson(rest as JsonValue));
}

/** The same for entries that are at hand. */
export function verifyChain(
  entries: Iterable<unknown>,
  sha256: Sha256,
  known: readonly ChainHead[] = [],
): ChainVerdict {
  const check = createChainCheck(sha256, known);
  for (const entry of entries) check.add(entry);
  return check.verdict();
}
