import type { Lease, NamedLease } from '../../queue/lease.ts';

/** Life of the leader's lease without renewal, in ms: so long sources are without a keeper when a worker dies. */
export const LEADER_MS = 30_000;

/** The right to keep sources, held by one worker at a time. */
export interface Leadership {
  /**
   * A signal that is aborted when the right is lost, or null when another worker has it. @throws SallyportError
   * ERR_STORE_UNAVAILABLE
   */
  claim(): Promise<AbortSignal | null>;
  /** Gives it back, so that another worker need not wait. */
  release(): Promise<void>;
}

interface Held {
  readonly lease: NamedLease;
  readonly lost: AbortController;
  readonly timer: NodeJS.Timeout;
  goodAt: number;
}

export function createLeadership(acquire: Lease['acquire'], name: string, ttlMs: number): Leadership {
  let held: Held | null = null;

  const lose = (one: Held): void => {
    clearInterval(one.timer);
    one.lost.abort();
    if (held === one) held = null;
  };

  /** A beat that fails is no proof of loss; a lease life without a good one is. */
  const beat = (one: Held): void => {
    const sentAt = performance.now();
    one.lease.renew().then(
      (isOurs) => {
        if (isOurs) one.goodAt = sentAt;
        else lose(one);
      },
      () => {
        if (performance.now() - one.goodAt >= ttlMs) lose(one);
      },
    );
  };

  return {
    async claim() {
      if (held !== null) return held.lost.signal;
      const goodAt = performance.now();
      const lease = await acquire(name, ttlMs);
      if (lease === null) return null;
      const timer = setInterval(() => beat(one), ttlMs / 3);
      timer.unref();
      const one: Held = { lease, lost: new AbortController(), timer, goodAt };
      held = one;
      return one.lost.signal;
    },
    async release() {
      const one = held;
      if (one === null) return;
      lose(one);
      await one.lease.release();
    },
  };
}
