import { setTimeout as delay } from 'node:timers/promises';
import type { EventRecord } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Audit } from '../../audit.ts';
import type { Events } from '../../events.ts';
import type { ConsumeOptions, Consumer, Jobs } from '../../jobs.ts';
import { isAtRest } from '../../model/transitions.ts';
import type { StoreLimits } from '../../store.ts';
import type { Connections } from '../client/connection.ts';
import type { RelayTuning } from '../client/options.ts';
import type { Shards } from '../shards.ts';
import { listen } from './bell.ts';
import { startExecutor } from './executor.ts';
import { type Relay, startRelay } from './relay.ts';
import { queueStats } from './stats.ts';

export interface JobsDeps {
  readonly connections: Connections;
  /** For answers that somebody waits for. */
  readonly shards: Shards;
  /** For the relay. */
  readonly patientShards: () => Shards;
  readonly events: Events;
  readonly audit: Audit;
  readonly limits: StoreLimits;
  readonly tuning: RelayTuning;
  readonly logger: Logger;
}

export function createJobs(deps: JobsDeps): Jobs & { close(): Promise<void> } {
  const consumers = new Set<Consumer>();
  return {
    consume(options) {
      const consumer = startConsumer(deps, options);
      consumers.add(consumer);
      return consumer;
    },
    stats: () => queueStats(deps.shards),
    awaitResult: (tenant, id, timeoutMs) => awaitResult(deps.events, tenant, id, timeoutMs),
    close: async () => void (await Promise.all([...consumers].map((consumer) => consumer.close(0)))),
  };
}

function startConsumer(deps: JobsDeps, options: ConsumeOptions): Consumer {
  const { connections, audit, limits, tuning, logger } = deps;
  const shards = deps.patientShards();
  let relay: Relay | undefined;
  const connection = connections.blocking();
  // A blocking pop takes keys of one slot only, and each shard has its own.
  const groups = connections.isCluster ? shards.keys.tags.map((tag) => [tag]) : [shards.keys.tags];
  const bells = groups.map((tags) => listen(connections.blocking(), tags, (tag) => relay?.rang(tag)));
  const started = (async () => {
    const { client } = connection;
    const onFree = (): void => relay?.freed();
    const executor = await startExecutor({ client, prefix: shards.keys.executor, consume: options, onFree, logger });
    relay = startRelay({ shards, executor, concurrency: options.concurrency, audit, limits, tuning, logger });
    return executor;
  })();
  started.catch((error: unknown) => {
    logger.error({ error: error instanceof Error ? error.name : typeof error }, 'jobs.start_failed');
  });

  const close = async (graceMs: number): Promise<void> => {
    for (const bell of bells) bell.stop();
    try {
      const executor = await started;
      const over = new AbortController();
      const stopped = Promise.all([executor.close(graceMs), relay?.stop()]).then(() => 'stopped');
      const end = await Promise.race([
        stopped,
        abandoned(() => executor.idle() === options.concurrency, graceMs, over),
      ]);
      over.abort();
      // Whatever it asked of Redis ends with its connection; what it had begun there others find.
      if (end === 'abandoned') logger.warn({}, 'jobs.stopped_without_redis');
    } finally {
      connection.close();
    }
  };
  let closed: Promise<void> | undefined;
  return {
    close: (graceMs) => {
      closed ??= close(graceMs);
      return closed;
    },
  };
}

/** With nothing running and Redis there, all of it has stopped after some milliseconds. */
const STOPPING_MS = 2_000;

/** Resolves after `graceMs`, or once nothing has run for so long that only an answer of Redis can be missing. */
async function abandoned(
  isIdle: () => boolean,
  graceMs: number,
  over: AbortController,
): Promise<'abandoned' | 'grace over'> {
  const givesUpAt = performance.now() + graceMs;
  let idleSince = performance.now();
  for (;;) {
    await delay(50, undefined, { signal: over.signal }).catch(() => {});
    const now = performance.now();
    if (!isIdle()) idleSince = now;
    if (now - idleSince >= STOPPING_MS) return 'abandoned';
    if (over.signal.aborted || now >= givesUpAt) return 'grace over';
  }
}

/** Asks again ever less often, 10 ms to 250 ms apart: few wait for a result, so nothing is published for them. */
async function awaitResult(events: Events, tenant: string, id: string, timeoutMs: number): Promise<EventRecord | null> {
  const giveUpAt = Date.now() + timeoutMs;
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 1.5, 250)) {
    const record = await events.get(tenant, id);
    if (record !== null && isAtRest(record.state)) return record;
    const leftMs = giveUpAt - Date.now();
    if (leftMs <= 0) return null;
    await delay(Math.min(pauseMs, leftMs));
  }
}
