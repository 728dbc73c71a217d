/** A timer that does not keep a Node process alive; other runtimes have no such timers. */
export function later(work: () => void, ms: number): ReturnType<typeof setTimeout> {
  const timer: unknown = setTimeout(work, ms);
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function')
    timer.unref();
  return timer as ReturnType<typeof setTimeout>;
}
