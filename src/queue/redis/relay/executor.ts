import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../../core/logger.ts';
import type { ConsumeOptions } from '../../jobs.ts';
import type { ConversationRef } from '../../lease.ts';
import { BLOCK_SECONDS, type Client } from '../client/connection.ts';
import { replicasOfWrites } from '../client/replicas.ts';

/** A conversation to be looked at, under a number that is never used again. */
export interface Wake {
  readonly conversation: ConversationRef;
  readonly number: string;
}

/** BullMQ behind a small door: it runs wakes, many at a time, over all worker processes. */
export interface Executor {
  /** Wakes that wait in BullMQ, of all processes. */
  waiting(): Promise<number>;
  /** Runs this process could begin at once. */
  idle(): number;
  /**
   * Resolves with whether as many replicas as demanded have them as well. A failover may take what only the master has.
   * @throws when BullMQ may not have them
   */
  add(wakes: readonly Wake[]): Promise<boolean>;
  /** Takes no more and resolves when what runs has ended, or after `graceMs`. */
  close(graceMs: number): Promise<void>;
}

const QUEUE = 'wakes';

/**
 * A conversation's lease counts the attempts that died, not BullMQ: its own limit (1) would silently drop the wake of a
 * conversation whose workers were killed twice.
 */
const MAX_STALLED = 1_000_000;

/**
 * A job whose worker was killed between fetching it and taking the conversation's lease is found after lock and
 * interval, 9 s, instead of after `rewakeMs`. A lock lost by a blocked event loop is harmless: the lease is the fence.
 */
const LOCK = { lockDuration: 6_000, stalledInterval: 3_000 };

/**
 * Seconds a blocking read waits for wakes, and ms before a failed step is taken again. BullMQ's own are 5 s and 15 s: the
 * first is longer than the silence after which a connection counts as dead, the second longer than an outage should last.
 */
const PACE = { drainDelay: BLOCK_SECONDS, runRetryDelay: 1_000 };

/** Nothing reads BullMQ's event stream; its default keeps 10,000 entries. */
const STREAM_LENGTH = 100;

/** Loads BullMQ only here: the ingress never runs this. */
export async function startExecutor({
  client,
  prefix,
  minReplicas,
  consume,
  onFree,
  logger,
}: {
  /** Not shared with anything else; must have `maxRetriesPerRequest: null`. */
  readonly client: Client;
  /** Hash-tagged, so that all keys of the queue share a slot. */
  readonly prefix: string;
  readonly minReplicas: number;
  readonly consume: ConsumeOptions;
  /** Called whenever a run has ended and there is room for another wake. */
  readonly onFree: () => void;
  readonly logger: Logger;
}): Promise<Executor> {
  const { Queue, Worker } = await import('bullmq');
  const shared = { connection: client, prefix };
  const queue = new Queue<ConversationRef>(QUEUE, { ...shared, streams: { events: { maxLen: STREAM_LENGTH } } });
  let running = 0;
  const worker = new Worker<ConversationRef>(
    QUEUE,
    async ({ data }) => {
      running += 1;
      try {
        await consume.run({ tenant: data.tenant, key: data.key });
      } catch (error) {
        // The conversation's due time brings it back; BullMQ has nothing to retry.
        logger.warn({ error }, 'jobs.run_rejected');
      } finally {
        running -= 1;
        onFree();
      }
    },
    { ...shared, concurrency: consume.concurrency, maxStalledCount: MAX_STALLED, ...LOCK, ...PACE },
  );
  const onError = (): void => logger.debug({}, 'jobs.executor_failed');
  queue.on('error', onError);
  worker.on('error', onError);

  return {
    waiting: () => queue.getWaitingCount(),
    idle: () => consume.concurrency - running,
    add: async (wakes) => {
      const jobs = wakes.map(({ conversation, number }) => ({
        name: 'wake',
        data: conversation,
        // Every shard has a counter of its own, so the number alone does not tell two tenants' wakes apart: BullMQ
        // would take the second for a copy of the first and drop it. A job id must not contain a colon.
        opts: {
          jobId: `${conversation.tenant}/${conversation.key}/${number}`,
          removeOnComplete: true,
          removeOnFail: true,
        },
      }));
      await queue.addBulk(jobs);
      return minReplicas === 0 || (await replicasOfWrites(client, queue.keys.wait ?? '', minReplicas)) >= minReplicas;
    },
    close: async (graceMs) => {
      const ended = worker.close().then(() => queue.close());
      const timer = new AbortController();
      const grace = delay(graceMs, undefined, { signal: timer.signal }).catch(() => {});
      await Promise.race([ended.catch(onError), grace]);
      timer.abort();
    },
  };
}
