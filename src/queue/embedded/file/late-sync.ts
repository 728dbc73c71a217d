import type { Logger } from '../../../core/logger.ts';
import type { Counter } from './connection.ts';
import type { Writer } from './writer.ts';

/** Puts unsynced commits of another connection on disk a moment later, many at once. */
export interface LateSync {
  /** Something unsynced was written. */
  soon(): void;
  /** Waits only where the last sync failed. @throws SallyportError ERR_STORE_UNAVAILABLE when it fails again */
  caughtUp(): Promise<void>;
  /** Puts what is still unsynced on disk. Call it before the writer closes. */
  end(): Promise<void>;
}

/**
 * How long something may be unsynced, in ms: ten syncs a second at most, which a slow disk can do beside its work, and a
 * tenth of what Redis may lose with `appendfsync everysec`.
 */
const DELAY_MS = 100;

export function createLateSync({
  counter,
  writer,
  logger,
}: {
  /** Counting is the smallest change there is: an update to the same value writes nothing, and so syncs nothing. */
  readonly counter: Counter;
  /** Its commits are synced, and everything before them in the log with them. */
  readonly writer: Writer;
  readonly logger: Logger;
}): LateSync {
  let planned: ReturnType<typeof setTimeout> | null = null;
  let hasFailed = false;

  async function sync(): Promise<void> {
    planned = null;
    try {
      await writer.write(counter);
      hasFailed = false;
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  }

  const syncOrTell = (): Promise<void> =>
    sync().catch((error: unknown) => logger.warn({ error }, 'ledger.sync-failed'));

  return {
    soon() {
      planned ??= setTimeout(() => void syncOrTell(), DELAY_MS).unref();
    },
    async caughtUp() {
      if (hasFailed) await sync();
    },
    async end() {
      if (planned === null) return;
      clearTimeout(planned);
      await syncOrTell();
    },
  };
}
