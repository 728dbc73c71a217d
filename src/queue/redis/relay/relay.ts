import type { Logger } from '../../../core/logger.ts';
import type { Audit } from '../../audit.ts';
import { drainAuditDue } from '../ports/audit.ts';
import { sweepReviews } from '../ports/reviews.ts';
import { scripts } from '../scripts.ts';
import { createRelayStep, type RelayStepDeps } from './relay-step.ts';

interface RelayDeps extends RelayStepDeps {
  readonly audit: Audit;
  readonly logger: Logger;
}

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

export function startRelay(deps: RelayDeps): Relay {
  const { shards, tuning, logger } = deps;
  const step = createRelayStep(deps);
  const cleanSometimes = createCleaner(deps);
  const rest = createRest();
  /** Shards to look at in the next turn. */
  let pending = new Set(shards.keys.tags);
  /** Shards that have wakes for which there was no room. */
  const hungry = new Set<string>();
  let lookAt = 0;
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

  async function loop(): Promise<void> {
    while (!isStopped) {
      const restMs = await turn().catch((error: unknown) => {
        logger.warn({ error: error instanceof Error ? error.name : typeof error }, 'relay.turn_failed');
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

/** Every `cleanMs`, removes what is no longer kept from all shards, and parks reviews nobody decided. */
function createCleaner({ shards, audit, limits, tuning, logger }: RelayDeps): () => Promise<void> {
  const { keys, run, now } = shards;
  let nextAt = 0;
  return async () => {
    if (Date.now() < nextAt) return;
    for (const tag of keys.tags) {
      while (Number(await run(scripts.clean, tag, [now(), CLEAN_AT_ONCE])) === CLEAN_AT_ONCE);
      while (Number(await run(scripts.auditTrim, tag, [now(), limits.auditKeepMs, CLEAN_AT_ONCE])) === CLEAN_AT_ONCE);
      await sweepReviews(shards, tag, logger);
      await drainAuditDue(shards, tag, audit);
    }
    nextAt = Date.now() + tuning.cleanMs;
  };
}
