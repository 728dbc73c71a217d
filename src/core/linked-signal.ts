/** A signal with a controller of its own that follows other signals until it is released. */
export interface LinkedSignal {
  readonly signal: AbortSignal;
  /** Aborts it for a reason of its own, and releases it. */
  abort(reason: unknown): void;
  /** Removes its listeners and its timer: it follows nothing any more. May be called several times. */
  release(): void;
}

/** When a signal aborts by itself. */
export interface TimeLimit {
  readonly ms: number;
  /** Default: the `TimeoutError` of `AbortSignal.timeout`. */
  readonly reason?: () => unknown;
}

/**
 * A signal that aborts with the reason of the first parent that does, or when its time is over. Call `release` when the
 * work is done, on every path. In place of `AbortSignal.any`, which enters each composite with every parent, and with the
 * parents of its parents: Node 20 never removes these entries, so a parent that lives as long as the process would
 * collect some for every run. What is derived from the signal made here is collected together with it.
 */
export function linkSignals(parents: readonly (AbortSignal | null | undefined)[], limit?: TimeLimit): LinkedSignal {
  const controller = new AbortController();
  const followed: (() => void)[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  const release = (): void => {
    clearTimeout(timer);
    for (const unfollow of followed.splice(0)) unfollow();
  };
  const abort = (reason: unknown): void => {
    release();
    controller.abort(reason);
  };

  const linked = { signal: controller.signal, abort, release };
  for (const parent of parents) {
    if (parent == null) continue;
    if (parent.aborted) {
      abort(parent.reason);
      return linked;
    }
    followed.push(follow(parent, () => abort(parent.reason)));
  }
  if (limit !== undefined) timer = setTimeout(() => abort(limit.reason?.() ?? timedOut()), limit.ms);
  return linked;
}

interface Followers {
  readonly forwards: Set<() => void>;
  readonly listener: () => void;
}

/** One listener serves all that follow a parent: a worker has many runs, and Node warns of a leak at the 11th listener. */
const followersOf = new WeakMap<AbortSignal, Followers>();

/** @returns what ends the following */
function follow(parent: AbortSignal, forward: () => void): () => void {
  const { forwards, listener } = followersOf.get(parent) ?? startFollowing(parent);
  forwards.add(forward);
  return () => {
    forwards.delete(forward);
    if (forwards.size > 0) return;
    parent.removeEventListener('abort', listener);
    followersOf.delete(parent);
  };
}

function startFollowing(parent: AbortSignal): Followers {
  const forwards = new Set<() => void>();
  const listener = (): void => {
    for (const forward of [...forwards]) forward();
  };
  const followers = { forwards, listener };
  parent.addEventListener('abort', listener, { once: true });
  followersOf.set(parent, followers);
  return followers;
}

const timedOut = (): DOMException => new DOMException('The operation was aborted due to timeout', 'TimeoutError');

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
