import type { Logger } from '../../core/logger.ts';
import type { Ledger } from '../../queue/ledger.ts';

/** Sees kill switches that are turned on anywhere. */
export interface KillWatch {
  /** Calls `stop` once when the tenant's switch is on. Returns what ends the watching. */
  onKill(tenant: string, stop: () => void): () => void;
  close(): void;
}

/** What runs must end within 1 s of the switch: two looks that just miss it, and what a look takes. */
const EVERY_MS = 250;

/**
 * Looks every `everyMs`. A look that fails is no reason to stop: what runs has reserved its worst case, nothing new can
 * be reserved without the ledger, and a worker cut off from it loses its lease.
 */
export function watchKills(ledger: Ledger, logger: Logger, everyMs = EVERY_MS): KillWatch {
  const runs = new Map<string, Set<() => void>>();
  let isBlind = false;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout>;

  async function look(): Promise<void> {
    try {
      for (const tenant of await ledger.killed()) for (const stop of runs.get(tenant) ?? []) stop();
      isBlind = false;
    } catch (error) {
      if (!isBlind && !isClosed) logger.warn({ error }, 'kill-switch.unreadable');
      isBlind = true;
    }
    if (!isClosed) schedule();
  }
  function schedule(): void {
    timer = setTimeout(() => void look(), everyMs);
    timer.unref();
  }
  schedule();

  return {
    onKill(tenant, stop) {
      const stops = runs.get(tenant) ?? new Set();
      runs.set(tenant, stops.add(stop));
      return () => {
        stops.delete(stop);
        if (stops.size === 0 && runs.get(tenant) === stops) runs.delete(tenant);
      };
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
