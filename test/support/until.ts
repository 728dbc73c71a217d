import { PATIENCE_MS, sleep } from './clock.ts';

export interface Patience {
  /** Ms before it gives up. */
  readonly withinMs?: number;
  /** Ms between two looks. */
  readonly everyMs?: number;
}

/**
 * Waits until `holds` is true. @throws Error that names what was waited for: a loop without a limit would only say that
 * the test took too long, and go on in the next test's time.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { withinMs = PATIENCE_MS, everyMs = 20 }: Patience = {},
): Promise<void> {
  const givesUpAt = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > givesUpAt) throw new Error(`gave up after ${withinMs} ms: ${what}`);
    await sleep(everyMs);
  }
}

/** The promise's result. @throws Error that names what was waited for when it takes longer than `withinMs` */
export async function within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${withinMs} ms for ${what}`)), withinMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
