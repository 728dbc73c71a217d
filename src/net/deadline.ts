import { linkSignals } from '../core/linked-signal.ts';
import { OutboundError } from './guard/reasons.ts';

/** One signal for everything a request does; aborts for the caller's reason or with ERR_OUTBOUND_TIMEOUT. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Settles with `work`, or rejects as soon as the signal aborts, even when `work` does not listen to it. */
  race<T>(work: Promise<T>): Promise<T>;
  /** Releases the timer and the caller's signal; must be called. */
  end(): void;
}

export function startDeadline(timeoutMs: number, caller: AbortSignal | undefined): Deadline {
  const reason = (): OutboundError => new OutboundError('ERR_OUTBOUND_TIMEOUT', 'timeout');
  const { signal, release } = linkSignals([caller], { ms: timeoutMs, reason });
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  // Nobody may be racing when it aborts.
  aborted.catch(() => undefined);
  return {
    signal,
    race: (work) => Promise.race([work, aborted]),
    end: release,
  };
}
