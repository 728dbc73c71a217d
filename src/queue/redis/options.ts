import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { StoreLimits } from '../store.ts';

export interface RedisStoreOptions {
  /**
   * `redis://` or `rediss://`; a comma list of them is Redis Cluster; `redis+sentinel://host:port,host:port/master`
   * (also `rediss+sentinel://`) asks Sentinels for the master.
   */
  readonly url: string;
  /** Inside every hash tag; lets several installations share one Redis. */
  readonly prefix?: string;
  /** Hash tags over which tenants are spread. Fixed at first start. */
  readonly shards: number;
  /** Replicas that must hold an event before it counts as accepted. */
  readonly minReplicas: number;
  /** Warns where `check` would refuse. */
  readonly allowUnsafe: boolean;
  readonly limits: StoreLimits;
  /** A digest of the id key. Fixed at first start: under another key every event would be new again. */
  readonly idCheck: string;
  /** Tests only. Absent: Redis' own clock, which all processes share. */
  readonly clock?: Clock;
  readonly logger: Logger;
  readonly relay?: Partial<RelayTuning>;
}

export interface RelayTuning {
  /**
   * Wakes that may wait in BullMQ for each conversation this process runs at a time. Two keep the workers busy; more
   * only make a quiet tenant stand behind a hot one (measured with 32 runs of 20 ms at a time: a bound of 64 delays it
   * 50 ms, one of 256 delays it 200 ms).
   */
  readonly boundPerRun: number;
  /** Wakes without a confirmation from their relay are due again after this time. */
  readonly claimMs: number;
  /** Longest sleep of a relay whose bell does not ring. */
  readonly idleMs: number;
  /** How often ended events are looked through for those whose retention is over. */
  readonly cleanMs: number;
}

export const defaultRelayTuning: RelayTuning = { boundPerRun: 2, claimMs: 15_000, idleMs: 1_000, cleanMs: 5_000 };
