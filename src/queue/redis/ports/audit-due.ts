import type { TimedNote } from '../../../core/audit/chain.ts';
import type { ErrorCode } from '../../../core/errors.ts';
import { type Audit, unaskedNote } from '../../audit.ts';
import { unavailable } from '../client/failure.ts';
import { acquireNamed } from '../relay/named-lease.ts';
import type { Shards } from '../shards.ts';

/** Taken at once: a batch of the chain. */
const AT_ONCE = 100;
/** A worker that dies amid it holds up the others for so long, in ms. */
const HOLD_MS = 15_000;

/**
 * Puts what scripts parked by themselves into the audit, in order. It is taken off the list afterwards, so that it comes
 * twice if a worker dies in between, and never not at all.
 */
export async function drainAuditDue(shards: Shards, tag: string, audit: Audit): Promise<void> {
  const { client } = shards;
  const key = `${tag}:audit-due`;
  const read = (): Promise<string[]> =>
    client.lrange(key, 0, AT_ONCE - 1).catch((error: unknown) => {
      throw unavailable(error);
    });
  if ((await read()).length === 0) return;
  const lease = await acquireNamed(shards, key, HOLD_MS);
  if (lease === null) return;
  try {
    for (let due = await read(); due.length > 0; due = await read()) {
      for (const [tenant, notes] of byTenant(due, shards.now() || Date.now())) await audit.append(tenant, notes);
      if (!(await lease.renew())) return;
      await client.ltrim(key, due.length, -1);
    }
  } finally {
    await lease.release();
  }
}

function byTenant(due: readonly string[], at: number): ReadonlyMap<string, readonly TimedNote[]> {
  const notes = new Map<string, TimedNote[]>();
  for (const text of due) {
    const [tenant = '', id = '', code] = text.split(' ');
    notes.set(tenant, [...(notes.get(tenant) ?? []), unaskedNote(id, code as ErrorCode, at)]);
  }
  return notes;
}
