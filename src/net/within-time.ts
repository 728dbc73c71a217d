import { linkSignals } from '../core/linked-signal.ts';

/** The work took longer than it may. */
export class TimeLimitPassed extends Error {
  override readonly name = 'TimeLimitPassed';
}

const passed = (): unknown => new TimeLimitPassed('the time limit has passed');

/**
 * Settles with `work`, or rejects with `reason()` after `ms`, or with the caller's reason when it aborts, even when the
 * work does not listen. The signal the work gets is aborted in each case, also when it is done: what was left behind
 * must not go on. Leaves neither a timer nor a listener behind.
 */
export async function withinTime<T>(
  ms: number,
  caller: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T> | T,
  reason: () => unknown = passed,
): Promise<T> {
  caller?.throwIfAborted();
  const linked = linkSignals([caller], { ms, reason });
  const { signal } = linked;
  try {
    return await new Promise<T>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      Promise.resolve()
        .then(() => {
          signal.throwIfAborted();
          return work(signal);
        })
        .then(resolve, reject);
    });
  } finally {
    linked.abort(new TimeLimitPassed('the work is over'));
  }
}
