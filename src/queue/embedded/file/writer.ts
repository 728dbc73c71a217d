import { SallyportError } from '../../../core/errors.ts';
import { type Connection, failureKindOf, isBusy, unavailable } from './connection.ts';

/** Reads and writes of this process, in the order they were asked for. */
export interface Writer {
  /**
   * Runs `work` in a transaction and resolves with what it returned once that is on disk. Works of one tick share a
   * transaction, and so a sync of the disk; one that throws takes only its own changes back.
   * @throws SallyportError ERR_STORE_UNAVAILABLE when another process holds the file for a second, or the disk fails.
   */
  write<T>(work: () => T): Promise<T>;
  /** Runs `work` outside any transaction. @throws SallyportError ERR_STORE_UNAVAILABLE */
  read<T>(work: () => T): T;
  /** Waits for what was asked for before; everything later is refused. */
  close(): Promise<void>;
}

interface Waiting {
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** When it has waited for the file long enough, by the process's own clock. */
  readonly givesUpAt: number;
}

/** Half of the 2 s in which a sender must have its 503. */
const BUSY_MS = 1_000;
/** As long as one call may block (connection.ts), so that the process has at least half of its time for others. */
const BUSY_RETRY_MS = 5;
/** Works in one transaction: about 15 ms of standing still, after which the process breathes. */
const MAX_BATCH = 256;

/** `onFailure` is told of each work that failed for a fault of the file or its disk, with the kind of the fault. */
export function createWriter(connection: Connection, onFailure: (kind: string) => void = () => {}): Writer {
  const begin = connection.query('BEGIN IMMEDIATE');
  const commit = connection.query('COMMIT');
  const rollback = connection.query('ROLLBACK');
  const save = connection.query('SAVEPOINT work');
  const keep = connection.query('RELEASE work');
  const undo = connection.query('ROLLBACK TO work');
  let waiting: Waiting[] = [];
  let scheduled = false;
  let closed = false;

  function failed(error: unknown): unknown {
    const kind = failureKindOf(error);
    if (kind !== null) onFailure(kind);
    return unavailable(error);
  }

  /** One work inside the open transaction; returns what settles its promise. */
  function attempt({ work, resolve, reject }: Waiting): () => void {
    save.run();
    try {
      const value = work();
      keep.run();
      return () => resolve(value);
    } catch (error) {
      // A full disk ends the whole transaction; then there is nothing of it left to keep.
      if (!connection.inTransaction) throw error;
      undo.run();
      keep.run();
      return () => reject(failed(error));
    }
  }

  function flush(): void {
    scheduled = false;
    try {
      begin.run();
    } catch (error) {
      if (isBusy(error)) waitForFile(error);
      else rejectAll(waiting.splice(0), error);
      return;
    }
    const batch = waiting.splice(0, MAX_BATCH);
    try {
      const settles = batch.map(attempt);
      commit.run();
      for (const settle of settles) settle();
    } catch (error) {
      if (connection.inTransaction) rollback.run();
      rejectAll(batch, error);
    }
    if (waiting.length > 0) schedule();
  }

  function waitForFile(error: unknown): void {
    const now = performance.now();
    rejectAll(
      waiting.filter((each) => each.givesUpAt <= now),
      error,
    );
    waiting = waiting.filter((each) => each.givesUpAt > now);
    if (waiting.length > 0) schedule(BUSY_RETRY_MS);
  }

  function rejectAll(batch: readonly Waiting[], error: unknown): void {
    for (const each of batch) each.reject(failed(error));
  }

  function schedule(delayMs = 0): void {
    if (scheduled) return;
    scheduled = true;
    if (delayMs === 0) setImmediate(flush);
    else setTimeout(flush, delayMs);
  }

  function enqueue<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      waiting.push({
        work,
        resolve: (value) => resolve(value as T),
        reject,
        givesUpAt: performance.now() + BUSY_MS,
      });
      schedule();
    });
  }

  const closedError = () => new SallyportError('ERR_STORE_UNAVAILABLE', 'the store is closed');
  return {
    write: (work) => (closed ? Promise.reject(closedError()) : enqueue(work)),
    read(work) {
      if (closed) throw closedError();
      try {
        return work();
      } catch (error) {
        throw failed(error);
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await enqueue(() => undefined).catch(() => undefined);
    },
  };
}
