import type { HeldLease, Lease } from '../../queue/lease.ts';

export interface Heartbeat {
  /** Aborted once the lease is known to be lost. */
  readonly signal: AbortSignal;
  stop(): void;
}

/**
 * Prolongs a lease every third of its life. A beat that fails (the store is away) is no proof of loss; once a whole
 * lease life has passed without a good beat, another worker may have begun, so the lease counts as lost.
 */
export function startHeartbeat(lease: Lease, held: HeldLease, leaseMs: number): Heartbeat {
  const lost = new AbortController();
  let goodAt = performance.now();
  const timer = setInterval(() => {
    const sentAt = performance.now();
    lease.extend(held).then(
      (isOurs) => {
        if (isOurs) goodAt = sentAt;
        else lost.abort();
      },
      () => {
        if (performance.now() - goodAt >= leaseMs) lost.abort();
      },
    );
  }, leaseMs / 3);
  return { signal: lost.signal, stop: () => clearInterval(timer) };
}
