import type { StoreLimits } from '../store.ts';
import type { Executor, Wake } from './executor.ts';
import { lineOf } from './keys.ts';
import type { RelayTuning } from './options.ts';
import { scripts } from './scripts.ts';
import type { Shards } from './shards.ts';

export interface RelayStepDeps {
  readonly shards: Shards;
  readonly executor: Executor;
  /** Conversations this process runs at the same time. */
  readonly concurrency: number;
  readonly limits: StoreLimits;
  readonly tuning: RelayTuning;
}

export interface StepResult {
  /** Wakes are left in the shard: there was no room for them. */
  readonly hasMore: boolean;
  /** Until the next line of the shard is due. */
  readonly dueMs: number;
}

export interface RelayStep {
  /** Moves wakes of one shard to the executor, as many as there is room for. */
  move(tag: string): Promise<StepResult>;
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

export function createRelayStep(deps: RelayStepDeps): RelayStep {
  const { shards, executor, limits, tuning } = deps;
  const bound = Math.max(2, Math.ceil(tuning.boundPerRun * deps.concurrency));
  const quantum = Math.max(1, Math.floor(bound / 4));
  const roomLeft = createRoom(executor, bound, tuning.idleMs);
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
      const room = await roomLeft();
      const [claimEnds, dueMs, hasMore, ...flat] = await claim(tag, room.left);
      const wakes = wakesOf(flat);
      if (wakes.length > 0) {
        await executor.add(wakes);
        room.take(wakes.length);
        handed.set(tag, { claimEnds, lines: wakes.map(({ conversation }) => lineOf(conversation)) });
      }
      return { hasMore: hasMore === 1, dueMs: dueMs < 0 ? tuning.idleMs : dueMs };
    },
    confirm: async () => {
      for (const tag of [...handed.keys()]) await claim(tag, 0);
    },
  };
}

interface Room {
  /** 0 below a quarter of the bound: a few wakes are not worth a round trip while the workers have others. */
  readonly left: number;
  take(count: number): void;
}

/**
 * How many wakes may be added to the executor. It is asked again only when what this process has added since may have
 * filled it, or after `staleMs`: other processes add too, and the bound is a measure of fairness, not a lock.
 */
function createRoom(executor: Executor, bound: number, staleMs: number): () => Promise<Room> {
  let left = 0;
  let countedAt = 0;
  const take = (count: number): void => {
    left -= count;
  };
  return async () => {
    if (left * 4 < bound || Date.now() - countedAt > staleMs) {
      left = bound - (await executor.waiting());
      countedAt = Date.now();
    }
    return { left: left * 4 < bound ? 0 : left, take };
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
