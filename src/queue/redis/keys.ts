import type { ConversationRef } from '../lease.ts';

/** Names in Redis that several files must agree on. Everything below a shard's tag is named in `scripts/_shard.lua`. */
export interface Keys {
  /** Every shard's hash tag, by number. */
  readonly tags: readonly string[];
  /** The tag of the tenant's shard: a stable hash, so every process and every release finds the same one. */
  tagOf(tenant: string): string;
  /** What all processes must agree on. */
  readonly meta: string;
  /** BullMQ's own tag: its keys live in one slot. */
  readonly executor: string;
  /** The ledger's tag: one reservation spans tenants, so all of it lives in one slot. */
  readonly budget: string;
}

export function createKeys(prefix: string, shards: number): Keys {
  const tags = Array.from({ length: shards }, (_, shard) => `{${prefix}:${shard}}`);
  return {
    tags,
    tagOf: (tenant) => tags[shards === 1 ? 0 : fnv1a(tenant) % shards] ?? '',
    meta: `{${prefix}:meta}`,
    executor: `{${prefix}:q}`,
    budget: `{${prefix}:budget}`,
  };
}

/** FNV-1a, 32 bit, over UTF-16 code units: spreads tenant names evenly, needs no library and will never change. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The name of a conversation within its shard. */
export const lineOf = ({ tenant, key }: ConversationRef): string => `${tenant}:${key}`;
