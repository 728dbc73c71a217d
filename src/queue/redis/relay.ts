import type { Logger } from '../../core/logger.ts';
import type { StoreLimits } from '../store.ts';
import type { Executor, Wake } from './executor.ts';
import { lineOf } from './keys.ts';
import type { RelayTuning } from './options.ts';
import { scripts } from './scripts.ts';
import type { Shards } from './shards.ts';

export interface RelayDeps {
  readonly shards: Shards;
  readonly executor: Executor;
  /** Conversations this process runs at the same time. */
  readonly concurrency: number;
  readonly limits: StoreLimits;
  readonly tuning: RelayTuning;
  readonly logger: Logger;
}

/**
 * Moves wakes from the shards to the executor, a few per tenant in turn and never more than the workers can take soon.
 * It is also the sweep: whatever is due and not in an outbox becomes a wake again, whoever lost it.
 */
export interface Relay {
  /** A shard has a wake, or there is room for one. */
  poke(tag?: string): void;
  /** Resolves when the step that is going on has ended. */
  stop(): Promise<void>;
}

/** Pause after a step that failed: Redis is away or restarting. */
const FAILED_PAUSE_MS = 500;

export function startRelay(deps: RelayDeps): Relay {
  const { shards, tuning, logger } = deps;
  const step = createStep(deps);
  /** Shards to look at in the next turn. */
  let pending = new Set(shards.keys.tags);
  /** Shards that have wakes left because there was no room. */
  const hungry = new Set<string>();
  let isStopped = false;
  let nextCleanAt = 0;
  let wakeUp: () => void = () => {};

  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function turn(): Promise<number> {
    const tags = pending;
    pending = new Set();
    let nextDueMs = tuning.idleMs;
    for (const tag of tags) {
      const { hasMore, dueMs } = await step(tag);
      if (hasMore) hungry.add(tag);
      else hungry.delete(tag);
      nextDueMs = Math.min(nextDueMs, dueMs);
    }
    if (Date.now() >= nextCleanAt) {
      nextCleanAt = Date.now() + tuning.cleanMs;
      for (const tag of shards.keys.tags) await clean(deps, tag);
    }
    return nextDueMs;
  }

  async function loop(): Promise<void> {
    while (!isStopped) {
      let pauseMs = FAILED_PAUSE_MS;
      try {
        pauseMs = await turn();
      } catch (error) {
        logger.warn({ error: error instanceof Error ? error.name : typeof error }, 'relay.step_failed');
      }
      if (isStopped) return;
      if (pending.size === 0) await sleep(pauseMs);
      // Nobody rang: look everywhere.
      if (pending.size === 0) pending = new Set(shards.keys.tags);
    }
  }

  const ended = loop();
  return {
    poke: (tag) => {
      for (const each of tag === undefined ? hungry : [tag]) pending.add(each);
      if (pending.size > 0) wakeUp();
    },
    stop: async () => {
      isStopped = true;
      wakeUp();
      await ended;
    },
  };
}

interface StepResult {
  /** Wakes are left in the shard. */
  readonly hasMore: boolean;
  /** Until the next line of the shard is due. */
  readonly dueMs: number;
}

type ClaimReply = readonly [claimEnds: number, dueMs: number, hasMore: number, ...wakes: string[]];

function createStep({
  shards,
  executor,
  concurrency,
  limits,
  tuning,
}: RelayDeps): (tag: string) => Promise<StepResult> {
  const bound = Math.max(2, Math.ceil(tuning.boundPerRun * concurrency));
  const quantum = Math.max(1, Math.floor(bound / 4));
  return async (tag) => {
    const room = Math.max(0, bound - (await executor.waiting()));
    // Promoting what is due must not wait for room, so a full executor only claims nothing.
    const claimed = room * 4 < bound ? 0 : room;
    const reply = await shards.run(scripts.claim, tag, [shards.now(), tuning.claimMs, claimed, quantum]);
    const [claimEnds, dueMs, hasMore, ...flat] = reply as ClaimReply;
    const wakes = wakesOf(flat);
    if (wakes.length > 0) {
      await executor.add(wakes);
      const lines = wakes.map(({ conversation }) => lineOf(conversation));
      await shards.run(scripts.handed, tag, [shards.now(), claimEnds, limits.rewakeMs, ...lines]);
    }
    return { hasMore: hasMore === 1, dueMs: dueMs < 0 ? tuning.idleMs : dueMs };
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

/** Events removed in one call: about 2 ms. */
const CLEAN_AT_ONCE = 200;

async function clean({ shards }: RelayDeps, tag: string): Promise<void> {
  let removed: number;
  do {
    removed = Number(await shards.run(scripts.clean, tag, [shards.now(), CLEAN_AT_ONCE]));
  } while (removed === CLEAN_AT_ONCE);
}
