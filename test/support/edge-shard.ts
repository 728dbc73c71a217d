import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { InboundEvent } from '../../src/core/event.ts';
import type { Entry } from '../../src/queue/edge/outbox.ts';
import {
  createShardStore,
  defaultShardLimits,
  type ShardLimits,
  type ShardStore,
} from '../../src/queue/edge/shard-store.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { openSqlFile, type SqlFile } from './edge-sql.ts';
import { testFolder } from './folder.ts';

export const TENANT = 'acme';
export const SHARD = 'acme/3';

export interface TestShard {
  readonly clock: FakeClock;
  readonly sql: SqlFile;
  readonly store: ShardStore;
  /** What a start after a crash finds: another object over the same file. */
  reopen(): TestShard;
}

export async function openShard(limits: Partial<ShardLimits> = {}, clock = createFakeClock()): Promise<TestShard> {
  const path = join(await testFolder(), 'shard.db');
  const open = (): TestShard => {
    const sql = openSqlFile(path);
    onTestFinished(() => sql.close());
    const store = createShardStore({
      sql,
      clock: clock.now,
      crypto: nodeCrypto,
      limits: { ...defaultShardLimits, ...limits },
    });
    const reopen = () => {
      sql.close();
      return open();
    };
    return { clock, sql, store, reopen };
  };
  return open();
}

/** What the Worker makes of an event. */
export const entryOf = (event: InboundEvent): Entry => ({
  id: event.id,
  key: event.identity.key,
  fingerprint: event.identity.fingerprint,
  conversation: event.conversation.key,
  windowMs: event.windowMs,
  mentioned: event.mentioned,
  fleeting: event.seenUntil === 'start',
  body: JSON.stringify(event),
});
