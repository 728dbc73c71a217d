import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SallyportError } from '../../../core/errors.ts';
import { type Connection, connect, isBusy, isNoDatabase, makeDurable, unavailable } from './connection.ts';
import { claimIdentity, isPrepared, migrate, versionOf } from './schema.ts';

/**
 * How long opening waits for the file, in ms. Making the tables takes milliseconds, but several processes may start at
 * once beside one that writes all the time, or that copies the file (`VACUUM INTO`, a backup): a start that fails for
 * that would only be tried again by whatever supervises the process.
 */
const OPEN_WITHIN_MS = 30_000;

/** Between two tries, in ms: from as long as a transaction takes to a pause that costs nobody anything. */
const PAUSES_MS = { first: 10, longest: 250, factor: 1.5 } as const;

/**
 * Opens the data file, private to its owner (events hold what people wrote), at this release's version. Waits for other
 * processes without blocking this one. @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH
 */
export async function openDataFile(path: string, idCheck: string, withinMs = OPEN_WITHIN_MS): Promise<Connection> {
  createPrivately(path);
  const givesUpAt = performance.now() + withinMs;
  let connection: Connection | undefined;
  for (let pauseMs: number = PAUSES_MS.first; ; pauseMs = Math.min(pauseMs * PAUSES_MS.factor, PAUSES_MS.longest)) {
    try {
      connection ??= connect(path);
      prepare(connection, idCheck);
      return connection;
    } catch (error) {
      const isOver = performance.now() >= givesUpAt;
      if (!isBusy(error) || isOver) {
        connection?.close();
        throw isBusy(error) ? heldTooLong(path, withinMs, error) : openingFailure(error);
      }
    }
    // Processes that start together must not meet again at each try.
    await sleep(pauseMs * (0.5 + Math.random()));
  }
}

function createPrivately(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite gives its log and index files the mode of the database, so it is set before the first of them exists.
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
  } catch (error) {
    throw openingFailure(error);
  }
}

/** @throws what the library throws, also SQLITE_BUSY; then nothing was changed and it may be tried again */
function prepare(connection: Connection, idCheck: string): void {
  // A file that is not ours is left as it was found.
  versionOf(connection);
  makeDurable(connection);
  // Reading never waits for a writer, so a file that needs nothing is opened however busy others keep it.
  if (isPrepared(connection, idCheck)) return;
  try {
    connection.exec('BEGIN IMMEDIATE');
    migrate(connection);
    claimIdentity(connection, idCheck);
    connection.exec('COMMIT');
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    throw error;
  }
}

const heldTooLong = (path: string, withinMs: number, cause: unknown): SallyportError =>
  new SallyportError(
    'ERR_STORE_UNAVAILABLE',
    `${basename(path)} has been locked by another process for ${withinMs / 1_000} s; end that process or wait for it`,
    { cause },
  );

function openingFailure(error: unknown): unknown {
  if (error instanceof SallyportError) return error;
  if (isNoDatabase(error)) {
    const message = 'SALLYPORT_DATA_DIR: the data file belongs to another program; set another folder';
    return new SallyportError('ERR_STORE_MISMATCH', message, { cause: error });
  }
  const known = unavailable(error);
  if (known instanceof SallyportError) return known;
  return new SallyportError('ERR_STORE_UNAVAILABLE', 'the data file cannot be opened', { cause: error });
}
