import { setTimeout as delay } from 'node:timers/promises';
import { SallyportError } from '../../../core/errors.ts';
import { isTimeout } from './failure.ts';

/** Rejects at once while the other side is known to hang, so that not every request waits for its own timeout. */
export interface Breaker {
  /** @throws SallyportError ERR_STORE_UNAVAILABLE while open; otherwise what `work` throws */
  guard<T>(work: () => Promise<T>): Promise<T>;
  close(): void;
}

/** Between two questions whether a hung Redis is back: recovery is noticed this much late at most. */
const PROBE_EVERY_MS = 100;

/** `probe` resolves when the other side answers again. One timeout opens the breaker: it took 1.5 s to be sure. */
export function createBreaker(probe: () => Promise<unknown>): Breaker {
  let isOpen = false;
  let isClosed = false;

  async function probeUntilBack(): Promise<void> {
    while (isOpen && !isClosed) {
      try {
        await probe();
        isOpen = false;
      } catch {
        await delay(PROBE_EVERY_MS, undefined, { ref: false });
      }
    }
  }

  return {
    async guard(work) {
      if (isOpen) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'Redis hangs (breaker open)');
      try {
        return await work();
      } catch (error) {
        if (isTimeout(error) && !isOpen) {
          isOpen = true;
          void probeUntilBack();
        }
        throw error;
      }
    },
    close: () => {
      isClosed = true;
    },
  };
}
