import { type Blocked, createForwarder, type ForwardOptions } from './forward.ts';
import type { Entry, ParkedRow } from './outbox.ts';
import { createShardStore, type Judged, type ShardStats, type ShardStoreOptions } from './shard-store.ts';

export type ShardOptions = ShardStoreOptions & Omit<ForwardOptions, 'store'>;

/** What an operator sees of a shard. */
export interface ShardStatus extends ShardStats {
  /** Why nothing is forwarded; null while it is. */
  readonly blocked: Blocked | null;
}

/** A shard as its object offers it: every method but `alarm` is synchronous. */
export interface Shard {
  /**
   * Judges the entries in order and sees to it that they are forwarded. Durable with the object's next commit, which holds
   * marks, rows and alarm.
   * @throws after which the object has to be given up: what it wrote is taken back
   */
  accept(tenant: string, shard: string, entries: readonly Entry[]): Judged[];
  /** The alarm's handler; never rejects. */
  alarm(): Promise<void>;
  status(): ShardStatus;
  listParked(limit: number): readonly ParkedRow[];
  /** False when the event is not parked. */
  resend(eventId: string): boolean;
  /** False when the event is not parked. */
  drop(eventId: string): boolean;
}

/**
 * Guard, outbox and forwarding of one shard over the ports of its object.
 * @throws SallyportError ERR_STORE_MISMATCH for a shard that a later release has lifted
 */
export function createShard(options: ShardOptions): Shard {
  const store = createShardStore(options);
  const forwarder = createForwarder({ ...options, store });
  return {
    accept(tenant, shard, entries) {
      const answers = store.accept(tenant, shard, entries);
      if (store.waiting() > 0) forwarder.wake();
      return answers;
    },
    alarm: forwarder.run,
    status: () => ({ ...store.stats(), blocked: forwarder.blocked }),
    listParked: store.listParked,
    resend(eventId) {
      const isFound = store.resend(eventId);
      if (isFound) forwarder.wake();
      return isFound;
    },
    drop: store.drop,
  };
}
