import { linkSignals, withinTime } from '../core/linked-signal.ts';
import type { Lease } from './lease.ts';

export interface Leader {
  /**
   * Stops the turn that is going on and gives the lease to another process. Resolves when both are done, or after 2 s.
   * Never rejects.
   */
  close(): Promise<void>;
}

/** Life of a leader's lease without renewal, in ms: when a leader dies, no process leads for so long. */
const LEASE_MS = 30_000;

/** With the store there, a turn that listens to its signal and the release take milliseconds; in ms. */
const STOPPING_MS = 2_000;

/**
 * Has one process at a time do something regularly: of all processes that call this with the same name, one holds the
 * lease, renews it three times in its life and takes the turns, until it is closed or loses the lease. The signal of a turn
 * aborts at once when the lease is lost: when a renewal finds that another process has it, or when none has succeeded for
 * a whole life of the lease.
 */
export function startLeader({
  acquire,
  name,
  everyMs,
  firstAfterMs = 0,
  leaseMs = LEASE_MS,
  turn,
  onError,
}: {
  /** `Lease.acquire` */
  readonly acquire: Lease['acquire'];
  /** Of the lease. */
  readonly name: string;
  /** From the end of a turn, or of an attempt to become the leader, to the next, in ms. */
  readonly everyMs: number;
  /** From the start to the first turn, in ms. Default 0. */
  readonly firstAfterMs?: number;
  /** Default 30 s. */
  readonly leaseMs?: number;
  /** `isNew`: the first turn since this process became the leader. */
  readonly turn: (signal: AbortSignal, isNew: boolean) => Promise<void>;
  /** A turn failed, or the store is away; the next turn comes. Not called for turns that were stopped. */
  readonly onError: (error: unknown) => void;
}): Leader {
  const stopping = new AbortController();
  let term: Term | null = null;

  const takeTurn = async (): Promise<void> => {
    const isNew = term === null || term.lost.aborted;
    if (isNew) term = await startTerm(acquire, name, leaseMs);
    if (term === null) return;
    const { signal, release } = linkSignals([term.lost, stopping.signal]);
    try {
      if (!signal.aborted) await turn(signal, isNew);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      release();
    }
  };
  let running: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const next = (afterMs: number): void => {
    timer = setTimeout(() => (running = loop()), afterMs);
    timer.unref();
  };
  const loop = async (): Promise<void> => {
    await takeTurn().catch((error: unknown) => {
      if (!stopping.signal.aborted) onError(error);
    });
    if (!stopping.signal.aborted) next(everyMs);
  };
  if (firstAfterMs === 0) running = loop();
  else next(firstAfterMs);

  return {
    async close() {
      stopping.abort();
      clearTimeout(timer);
      const stop = async (): Promise<void> => {
        await running;
        await term?.end();
      };
      await withinTime(STOPPING_MS, undefined, stop).catch(() => {
        // The lease ends by itself.
      });
      term?.forsake();
    },
  };
}

/** A lease that is renewed as long as this process can. */
interface Term {
  /** Aborts when the lease is lost. */
  readonly lost: AbortSignal;
  /** Renews it no more. */
  forsake(): void;
  /** Gives it back. @throws SallyportError ERR_STORE_UNAVAILABLE */
  end(): Promise<void>;
}

/** @returns null when another process leads. @throws SallyportError ERR_STORE_UNAVAILABLE */
async function startTerm(acquire: Lease['acquire'], name: string, leaseMs: number): Promise<Term | null> {
  const sentAt = performance.now();
  const lease = await acquire(name, leaseMs);
  if (lease === null) return null;
  const lost = new AbortController();
  let expiry: NodeJS.Timeout | undefined;
  const forsake = (): void => {
    clearInterval(beat);
    clearTimeout(expiry);
    lost.abort();
  };
  /** The store counts from when it was asked, at the earliest. */
  const renewedAt = (at: number): void => {
    clearTimeout(expiry);
    expiry = setTimeout(forsake, at + leaseMs - performance.now());
    expiry.unref();
  };
  const renew = async (): Promise<void> => {
    const at = performance.now();
    const isOurs = await lease.renew();
    if (lost.signal.aborted) return;
    if (isOurs) renewedAt(at);
    else forsake();
  };
  const beat = setInterval(() => {
    renew().catch(() => {
      // A renewal that fails proves nothing; the lease's life decides.
    });
  }, leaseMs / 3);
  beat.unref();
  renewedAt(sentAt);
  return {
    lost: lost.signal,
    forsake,
    async end() {
      const isHeld = !lost.signal.aborted;
      forsake();
      if (isHeld) await lease.release();
    },
  };
}
