import type { Logger } from '../../../core/logger.ts';
import type { Audit } from '../../audit.ts';
import type { StoreLimits } from '../../store.ts';
import { unavailable } from '../client/connection.ts';
import type { RelayTuning } from '../client/options.ts';
import { drainAuditDue } from '../ports/audit.ts';
import { sweepReviews } from '../ports/reviews.ts';
import { scripts } from '../scripts.ts';
import { lineOf, type Shards } from '../shards.ts';
import type { Executor, Wake } from './executor.ts';

/**
 * Moves wakes from the shards to the executor, a few per tenant in turn and never more than the workers can take soon.
 * It is also the sweep: whatever is due becomes a wake again, whoever lost it.
 */
export interface Relay {
  /** A shard has a wake. */
  rang(tag: string): void;
  /** There is room for one more in the executor. */
  freed(): void;
  /** Resolves when the step that is going on has ended. */
  stop(): Promise<void>;
}

/** Pause after a step that failed: Redis is away or restarting. */
const FAILED_PAUSE_MS = 500;

export function startRelay({
  shards,
  executor,
  concurrency,
  audit,
  limits,
  tuning,
  logger,
}: {
  readonly shards: Shards;
  readonly executor: Executor;
  /** Conversations this process runs at the same time. */
  readonly concurrency: number;
  readonly audit: Audit;
  readonly limits: StoreLimits;
  readonly tuning: RelayTuning;
  readonly logger: Logger;
}): Relay {
  const step = createRelayStep({ shards, executor, concurrency, limits, tuning });
  const rest = createRest();
  /** Shards to look at in the next turn. */
  let pending = new Set(shards.keys.tags);
  /** Shards that have wakes for which there was no room. */
  const hungry = new Set<string>();
  let lookAt = 0;
  let cleanAt = 0;
  let isStopped = false;

  /** Returns how long to rest when nothing rings. */
  async function turn(): Promise<number> {
    // Also while others ring all the time: what is due or was lost rings nowhere.
    const tags = Date.now() < lookAt ? pending : new Set(shards.keys.tags);
    if (tags !== pending) lookAt = Date.now() + tuning.idleMs;
    pending = new Set();
    let restMs = tuning.idleMs;
    for (const tag of tags) {
      const { hasMore, dueMs } = await step.move(tag);
      if (hasMore) hungry.add(tag);
      else hungry.delete(tag);
      restMs = Math.min(restMs, dueMs);
    }
    await cleanSometimes();
    return restMs;
  }

  /** Every `cleanMs`, removes what is no longer kept from all shards, and parks reviews nobody decided. */
  async function cleanSometimes(): Promise<void> {
    if (Date.now() < cleanAt) return;
    const { keys, run, now } = shards;
    for (const tag of keys.tags) {
      while (Number(await run(scripts.clean, tag, [now(), CLEAN_AT_ONCE])) === CLEAN_AT_ONCE);
      while (Number(await run(scripts.auditTrim, tag, [now(), limits.auditKeepMs, CLEAN_AT_ONCE])) === CLEAN_AT_ONCE);
      await sweepReviews(shards, tag, logger);
      await drainAuditDue(shards, tag, audit);
    }
    cleanAt = Date.now() + tuning.cleanMs;
  }

  async function loop(): Promise<void> {
    while (!isStopped) {
      const restMs = await turn().catch((error: unknown) => {
        logger.warn({ error: unavailable(error) }, 'relay.turn_failed');
        return FAILED_PAUSE_MS;
      });
      if (pending.size === 0 && !isStopped) await rest.for(restMs);
      // Nobody rang: look everywhere.
      if (pending.size === 0) pending = new Set(shards.keys.tags);
    }
    await step.confirm().catch(() => {});
  }

  const ended = loop();
  const poke = (tags: Iterable<string>): void => {
    for (const tag of tags) pending.add(tag);
    if (pending.size > 0) rest.end();
  };
  return {
    rang: (tag) => poke([tag]),
    freed: () => {
      if (step.freed()) poke(hungry);
    },
    stop: () => {
      isStopped = true;
      rest.end();
      return ended;
    },
  };
}

/** A sleep that can be ended from outside. */
function createRest(): { for(ms: number): Promise<void>; end(): void } {
  let end = (): void => {};
  return {
    for: (ms) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    end: () => end(),
  };
}

/** Events, or entries of the audit, removed in one call: about 2 ms. */
const CLEAN_AT_ONCE = 200;

interface RelayStepDeps {
  readonly shards: Shards;
  readonly executor: Executor;
  /** Conversations this process runs at the same time. */
  readonly concurrency: number;
  readonly limits: StoreLimits;
  readonly tuning: RelayTuning;
}

interface StepResult {
  /** Wakes are left in the shard: there was no room for them. */
  readonly hasMore: boolean;
  /** Until the shard is to be looked at again: its next line is due, or runs can begin. */
  readonly dueMs: number;
}

interface RelayStep {
  /** Moves wakes of one shard to the executor, as many as there is room for. */
  move(tag: string): Promise<StepResult>;
  /** A run has ended. Answers whether there is room for so many wakes now that a step is worth its round trips. */
  freed(): boolean;
  /** Tells the shards what the executor has, before the relay ends. */
  confirm(): Promise<void>;
}

type ClaimReply = readonly [claimEnds: number, dueMs: number, hasMore: number, ...wakes: string[]];

/** Wakes that the executor has and their shard does not know of yet: the next claim tells it, which saves a call. */
interface Handed {
  readonly claimEnds: number;
  readonly lines: readonly string[];
}
const nothing: Handed = { claimEnds: 0, lines: [] };

/** Pause while wakes are left although runs could begin, in ms: what the executor takes to begin what it was given. */
const FILL_MS = 20;

export function createRelayStep(deps: RelayStepDeps): RelayStep {
  const { shards, executor, limits, tuning } = deps;
  const bound = Math.max(2, Math.ceil(tuning.boundPerRun * deps.concurrency));
  const quantum = Math.max(1, Math.floor(bound / 4));
  const room = createRoom(executor, bound, tuning.idleMs);
  const handed = new Map<string, Handed>();

  async function claim(tag: string, most: number): Promise<ClaimReply> {
    const { claimEnds, lines } = handed.get(tag) ?? nothing;
    const args = [shards.now(), tuning.claimMs, most, quantum, limits.rewakeMs, claimEnds, ...lines];
    const reply = (await shards.run(scripts.claim, tag, args)) as ClaimReply;
    handed.delete(tag);
    return reply;
  }

  return {
    async move(tag) {
      const [claimEnds, dueMs, hasMore, ...flat] = await claim(tag, await room.left());
      const wakes = wakesOf(flat);
      if (wakes.length > 0) {
        const isSafe = await executor.add(wakes);
        room.took(wakes.length);
        // What a failover may take is not confirmed: its claims end then, and it is given again if it has not been taken.
        if (isSafe) handed.set(tag, { claimEnds, lines: wakes.map(({ conversation }) => lineOf(conversation)) });
      }
      const mayRest = dueMs < 0 ? tuning.idleMs : dueMs;
      // Nothing may end for long; the executor has not begun all it was given yet.
      const isShort = hasMore === 1 && executor.idle() > 0;
      return { hasMore: hasMore === 1, dueMs: isShort ? Math.min(mayRest, FILL_MS) : mayRest };
    },
    freed: () => room.freed(),
    confirm: async () => {
      for (const tag of [...handed.keys()]) await claim(tag, 0);
    },
  };
}

interface Room {
  /** How many wakes may be added to the executor: 0 while a few are not worth a round trip. */
  left(): Promise<number>;
  took(count: number): void;
  /** Answers whether `left` is more than 0. */
  freed(): boolean;
}

/**
 * Reckoned from what this process adds and runs; what waits in the executor is counted when that leaves no room, and
 * every `staleMs`: other processes add and run too, but the bound is a measure of fairness, not a lock.
 */
function createRoom(executor: Executor, bound: number, staleMs: number): Room {
  let room = 0;
  let countedAt = 0;
  const isWorthwhile = (): boolean => room * 4 >= bound;
  return {
    async left() {
      if (!isWorthwhile() || Date.now() - countedAt > staleMs) {
        room = bound - (await executor.waiting());
        countedAt = Date.now();
      }
      return isWorthwhile() ? room : 0;
    },
    took: (count) => {
      room -= count;
    },
    freed: () => {
      room = Math.min(bound, room + 1);
      return isWorthwhile();
    },
  };
}

function wakesOf(flat: readonly string[]): Wake[] {
  const wakes: Wake[] = [];
  for (let i = 0; i < flat.length; i += 3) {
    const [tenant = '', key = '', number = ''] = flat.slice(i, i + 3);
    wakes.push({ conversation: { tenant, key }, number });
  }
  return wakes;
}
