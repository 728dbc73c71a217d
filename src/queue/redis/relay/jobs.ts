import { setTimeout as delay } from 'node:timers/promises';
import type { ErrorCode } from '../../../core/errors.ts';
import { type EventRecord, type EventState, eventStates } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Audit } from '../../audit.ts';
import type { Events } from '../../events.ts';
import {
  type ConsumeOptions,
  type Consumer,
  type Jobs,
  PARKED_AT_MOST,
  type ParkedEvents,
  type QueueStats,
} from '../../jobs.ts';
import { isAtRest } from '../../model/transitions.ts';
import type { StoreLimits } from '../../store.ts';
import { BLOCK_SECONDS, type Connections, type OwnConnection, unavailable } from '../client/connection.ts';
import type { RelayTuning } from '../client/options.ts';
import { infoOfMasters, memoryRatioOf } from '../client/server-info.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';
import { startExecutor } from './executor.ts';
import { type Relay, startRelay } from './relay.ts';

export function createJobs({
  connections,
  shards,
  patientShards,
  events,
  audit,
  limits,
  tuning,
  minReplicas,
  logger,
}: {
  readonly connections: Connections;
  /** For answers that somebody waits for. */
  readonly shards: Shards;
  /** For the relay. */
  readonly patientShards: () => Shards;
  readonly events: Events;
  readonly audit: Audit;
  readonly limits: StoreLimits;
  readonly tuning: RelayTuning;
  readonly minReplicas: number;
  readonly logger: Logger;
}): Jobs & { close(): Promise<void> } {
  const startConsumer = (options: ConsumeOptions): Consumer => {
    const patient = patientShards();
    let relay: Relay | undefined;
    const connection = connections.blocking();
    // A blocking pop takes keys of one slot only, and each shard has its own.
    const groups = connections.isCluster ? patient.keys.tags.map((tag) => [tag]) : [patient.keys.tags];
    const bells = groups.map((tags) => listen(connections.blocking(), tags, (tag) => relay?.rang(tag)));
    const started = (async () => {
      const { client } = connection;
      const onFree = (): void => relay?.freed();
      const { executor: prefix } = patient.keys;
      const executor = await startExecutor({ client, prefix, minReplicas, consume: options, onFree, logger });
      relay = startRelay({
        shards: patient,
        executor,
        concurrency: options.concurrency,
        audit,
        limits,
        tuning,
        logger,
      });
      return executor;
    })();
    started.catch((error: unknown) => {
      logger.error({ error: unavailable(error) }, 'jobs.start_failed');
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
      async untaken() {
        const executor = await started;
        if (executor.idle() <= 0) return 0;
        return executor.waiting().catch((error: unknown) => {
          throw patient.failed(error);
        });
      },
      close: (graceMs) => {
        closed ??= close(graceMs);
        return closed;
      },
    };
  };

  const consumers = new Set<Consumer>();
  return {
    consume(options) {
      const consumer = startConsumer(options);
      consumers.add(consumer);
      return consumer;
    },
    stats: () => queueStats(shards),
    parked: (atMost = PARKED_AT_MOST) => parkedEvents(shards, atMost),
    awaitResult: (tenant, id, timeoutMs) => awaitResult(events, tenant, id, timeoutMs),
    close: async () => void (await Promise.all([...consumers].map((consumer) => consumer.close(0)))),
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

/** Listens for accepted events, so that a run begins within milliseconds and an idle relay costs nothing. */
interface Bell {
  stop(): void;
}

/**
 * Blocks on the bells of `tags`, which must share a slot in Redis Cluster, on a connection of its own; `ring` is told
 * which one rang. A bell rings for one listener only, which is all that is needed: any relay can serve every wake.
 */
function listen(connection: OwnConnection, tags: readonly string[], ring: (tag: string) => void): Bell {
  let isStopped = false;
  const bells = tags.map((tag) => `${tag}:bell`);
  void (async () => {
    while (!isStopped) {
      try {
        const rung = await connection.client.blpop(...bells, BLOCK_SECONDS);
        if (rung !== null && !isStopped) ring(rung[0].slice(0, -':bell'.length));
      } catch {
        // Redis is away; the relay looks by itself every second, so a pause loses nothing.
        await new Promise((resolve) => setTimeout(resolve, 200).unref());
      }
    }
  })();
  return {
    stop: () => {
      isStopped = true;
      connection.close();
    },
  };
}

/** Sums over all shards; of memory, the fullest master counts, because it refuses first. */
async function queueStats({ keys, client, run, now, failed }: Shards): Promise<QueueStats> {
  const [perShard, masters] = await Promise.all([
    Promise.all(keys.tags.map((tag) => run(scripts.stats, tag, [now(), ...eventStates]))),
    infoOfMasters(client, 'memory'),
  ]).catch((error: unknown) => {
    throw failed(error);
  });
  const states: Partial<Record<EventState, number>> = {};
  let [oldestMs, due, dueMs, auditPending] = [0, 0, 0, 0];
  for (const reply of perShard as number[][]) {
    oldestMs = Math.max(oldestMs, reply[0] ?? 0);
    for (const [i, state] of eventStates.entries()) states[state] = (states[state] ?? 0) + (reply[i + 1] ?? 0);
    const [dueHere = 0, dueMsHere = 0, pendingHere = 0] = reply.slice(eventStates.length + 1);
    due += dueHere;
    dueMs = Math.max(dueMs, dueMsHere);
    auditPending += pendingHere;
  }
  const ratios = masters.map(memoryRatioOf).filter((ratio) => ratio !== null);
  const memory = ratios.length > 0 && { memoryRatio: Math.max(...ratios) };
  return { states, oldestMs, due, dueMs, auditPending, ...memory };
}

/** Parked events read in one call: about 0.5 ms of Redis. */
const PARKED_AT_ONCE = 500;

/** Sums over all tenants, a few hundred events at a time so that no call stands in the way of deliveries. */
async function parkedEvents({ keys, client, run, failed }: Shards, atMost: number): Promise<ParkedEvents> {
  const byCode = new Map<ErrorCode, number>();
  let left = atMost;
  let uncounted = 0;
  for (const tag of keys.tags) {
    const tenants = await client.hkeys(`${tag}:load`).catch((error: unknown) => {
      throw failed(error);
    });
    for (const tenant of tenants) {
      for (let [from, total] = [0, 1]; from < total; ) {
        const most = Math.min(PARKED_AT_ONCE, left);
        const reply = (await run(scripts.parked, tag, [tenant, from, most])) as [number, ...(string | number)[]];
        total = reply[0];
        for (let i = 1; i < reply.length; i += 2) {
          const code = reply[i] as ErrorCode;
          byCode.set(code, (byCode.get(code) ?? 0) + Number(reply[i + 1]));
        }
        const read = Math.max(0, Math.min(most, total - from));
        from += read;
        left -= read;
        if (left > 0) continue;
        uncounted += Math.max(0, total - from);
        break;
      }
    }
  }
  return { byCode, uncounted };
}
