import type { AuditEntry, ChainHead } from '../../../core/audit/chain.ts';
import type { Actor, AuditAction } from '../../../core/audit/entry.ts';
import type { JsonObject } from '../../../core/json/json.ts';

/** What is kept of an entry: its tenant is in the key, and the hash before it in the element before it. */
type Kept = readonly [seq: number, at: number, actor: Actor, action: AuditAction, subject: string, data: JsonObject];

const HASH_CHARS = 64;

/**
 * `<hash><mark>[<seq>,<at in ms>,…]`. The scripts read the hash and the first two members. A mark is base64url, on the
 * first entry of a call, and no part of the chain.
 */
export function encodeEntry({ seq, at, actor, action, subject, data, hash }: AuditEntry, mark: string): string {
  const kept: Kept = [seq, Date.parse(at), actor, action, subject, data];
  return `${hash}${mark}${JSON.stringify(kept)}`;
}

/** The entries that follow `head`. They are given as they are stored: whether they are whole is for others to find out. */
export function decodeEntries(tenant: string, head: ChainHead, stored: readonly string[]): AuditEntry[] {
  let { hash: prev } = head;
  return stored.map((text) => {
    const kept = JSON.parse(text.slice(text.indexOf('['))) as Kept;
    const [seq, at, actor, action, subject, data] = kept;
    const hash = text.slice(0, HASH_CHARS);
    const entry = { seq, at: new Date(at).toISOString(), tenant, actor, action, subject, data, prev, hash };
    prev = hash;
    return entry;
  });
}
