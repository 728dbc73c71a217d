/** The work took longer than it may. */
export class TimeLimitPassed extends Error {
  override readonly name = 'TimeLimitPassed';
}

/**
 * Settles with `work`, or rejects with TimeLimitPassed after `ms`, or with the caller's reason when it aborts, even when
 * the work does not listen. The signal the work gets is aborted in each case, also when it is done: what was left behind
 * must not go on.
 */
export async function withinTime<T>(
  ms: number,
  caller: AbortSignal,
  work: (signal: AbortSignal) => Promise<T> | T,
): Promise<T> {
  caller.throwIfAborted();
  // Not AbortSignal.any: the caller's signal lives as long as its run, and Node 20 keeps every composite of it.
  const controller = new AbortController();
  const { signal } = controller;
  const forward = (): void => controller.abort(caller.reason);
  const timer = setTimeout(() => controller.abort(new TimeLimitPassed('the time limit has passed')), ms);
  caller.addEventListener('abort', forward, { once: true });
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
    clearTimeout(timer);
    caller.removeEventListener('abort', forward);
    controller.abort(new TimeLimitPassed('the work is over'));
  }
}
