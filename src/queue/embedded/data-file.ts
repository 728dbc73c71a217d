import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SallyportError } from '../../core/errors.ts';
import { type Connection, connect, isBusy, isNoDatabase, makeDurable, unavailable } from './connection.ts';
import { claimIdentity, migrate, versionOf } from './schema.ts';

/** Two processes that start at once wait for each other this long: making the tables takes a few milliseconds. */
const START_MS = 1_000;
const RETRY_MS = 20;

/**
 * Opens the data file, private to its owner (events hold what people wrote), at this release's version.
 * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH
 */
export async function openDataFile(path: string, idCheck: string): Promise<Connection> {
  createPrivately(path);
  const givesUpAt = performance.now() + START_MS;
  for (;;) {
    try {
      return prepare(connect(path), idCheck);
    } catch (error) {
      if (!isBusy(error) || performance.now() > givesUpAt) throw openingFailure(error);
    }
    await sleep(RETRY_MS);
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

function prepare(connection: Connection, idCheck: string): Connection {
  try {
    // A file that is not ours is left as it was found.
    versionOf(connection);
    makeDurable(connection);
    connection.exec('BEGIN IMMEDIATE');
    migrate(connection);
    claimIdentity(connection, idCheck);
    connection.exec('COMMIT');
    return connection;
  } catch (error) {
    if (connection.inTransaction) connection.exec('ROLLBACK');
    connection.close();
    throw error;
  }
}

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
