import type { Clock } from '../../../core/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import type { StoreLimits } from '../../store.ts';

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
  /** Told of each request that Redis did not serve, with the kind of the failure. */
  readonly onFailure?: ((kind: string) => void) | undefined;
  readonly relay?: Partial<RelayTuning>;
}

export interface RelayTuning {
  /**
   * Wakes that may wait in BullMQ for each conversation this process runs at a time. They keep workers busy for the two
   * round trips of the relay's next step; a quiet tenant's wake stands behind all of them, and with fewer of them the relay
   * takes more steps for the same runs.
   */
  readonly boundPerRun: number;
  /** Wakes without a confirmation from their relay are due again after this time. */
  readonly claimMs: number;
  /** Longest sleep of a relay whose bell does not ring. */
  readonly idleMs: number;
  /** How often ended events are looked through for those whose retention is over. */
  readonly cleanMs: number;
}

export const defaultRelayTuning: RelayTuning = { boundPerRun: 0.5, claimMs: 15_000, idleMs: 1_000, cleanMs: 5_000 };
