import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SallyportError } from '../../../core/errors.ts';
import type { StoreParts } from '../store-parts.ts';
import { type Connection, connect, isBusy, isNoDatabase, makeDurable, unavailable } from './connection.ts';

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
  return openPatiently(path, (connection) => prepare(connection, idCheck), withinMs);
}

/**
 * Opens a data file that exists and changes nothing in it, also of an earlier release: for a copy of it.
 * @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH
 */
export const openDataFileAsIs = (path: string, withinMs = OPEN_WITHIN_MS): Promise<Connection> =>
  openPatiently(path, (connection) => void versionOf(connection), withinMs);

/** Whether there is a data file in the format of this release. @throws SallyportError as `openDataFileAsIs` */
export async function isDataFileCurrent(path: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  const connection = await openDataFileAsIs(path);
  try {
    return Number(connection.pragma('user_version')) === FILE_VERSION;
  } finally {
    connection.close();
  }
}

async function openPatiently(
  path: string,
  begin: (connection: Connection) => void,
  withinMs: number,
): Promise<Connection> {
  const givesUpAt = performance.now() + withinMs;
  let connection: Connection | undefined;
  for (let pauseMs: number = PAUSES_MS.first; ; pauseMs = Math.min(pauseMs * PAUSES_MS.factor, PAUSES_MS.longest)) {
    try {
      connection ??= connect(path);
      begin(connection);
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

/** "SPLY" in SQLite's `application_id`: tells our file from any other database. */
export const APPLICATION_ID = 0x53_50_4c_59;

/**
 * Times are epoch milliseconds. A conversation's row is its wake: `wake_at` always holds when somebody has to look at
 * it next, so no wake can be missing or exist twice. `place` orders a conversation's queue and is null for what is not
 * in it. Tallies are kept by triggers, because counting 50,000 rows for each accept would cost more than accepting.
 */
const version1 = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('counter', 0);

  CREATE TABLE seen (
    tenant TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    original INTEGER NOT NULL, event_id TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key, fingerprint)
  ) WITHOUT ROWID;
  CREATE INDEX seen_expiring ON seen (expires_at);

  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL, id TEXT NOT NULL, channel TEXT NOT NULL, conversation TEXT NOT NULL,
    state TEXT NOT NULL, place INTEGER, generation INTEGER NOT NULL, attempts INTEGER NOT NULL,
    deliveries INTEGER NOT NULL, eligible_at INTEGER NOT NULL, waited_ms INTEGER NOT NULL,
    ended_at INTEGER, failure TEXT, runs TEXT NOT NULL, body TEXT NOT NULL
  );
  CREATE UNIQUE INDEX events_by_id ON events (tenant, id);
  CREATE INDEX events_by_state ON events (tenant, state, id);
  CREATE INDEX events_by_channel ON events (tenant, channel, id);
  CREATE INDEX events_by_state_and_channel ON events (tenant, state, channel, id);
  CREATE UNIQUE INDEX events_in_line ON events (tenant, conversation, place) WHERE place IS NOT NULL;
  CREATE INDEX events_untried ON events (eligible_at) WHERE state = 'queued' AND attempts = 0;
  CREATE INDEX events_ended ON events (ended_at) WHERE ended_at IS NOT NULL;

  CREATE TABLE conversations (
    tenant TEXT NOT NULL, key TEXT NOT NULL, wake_at INTEGER NOT NULL, not_before INTEGER NOT NULL DEFAULT 0,
    token INTEGER NOT NULL DEFAULT 0, lease_until INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, key)
  ) WITHOUT ROWID;
  CREATE INDEX conversations_due ON conversations (wake_at);
  CREATE INDEX conversations_due_by_tenant ON conversations (tenant, wake_at);

  CREATE TABLE journal (
    tenant TEXT NOT NULL, event_id TEXT NOT NULL, step TEXT NOT NULL,
    kind TEXT NOT NULL, at INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (tenant, event_id, step)
  ) WITHOUT ROWID;

  CREATE TABLE records (
    tenant TEXT NOT NULL, collection TEXT NOT NULL, name TEXT NOT NULL,
    revision INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (tenant, collection, name)
  ) WITHOUT ROWID;

  CREATE TABLE named_leases (name TEXT PRIMARY KEY, token INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;

  CREATE TABLE tallies (
    tenant TEXT NOT NULL, state TEXT NOT NULL, events INTEGER NOT NULL, PRIMARY KEY (tenant, state)
  ) WITHOUT ROWID;
  CREATE TRIGGER tally_new AFTER INSERT ON events BEGIN
    INSERT INTO tallies VALUES (new.tenant, new.state, 1) ON CONFLICT DO UPDATE SET events = events + 1;
  END;
  CREATE TRIGGER tally_moved AFTER UPDATE OF state ON events WHEN new.state <> old.state BEGIN
    UPDATE tallies SET events = events - 1 WHERE tenant = old.tenant AND state = old.state;
    INSERT INTO tallies VALUES (new.tenant, new.state, 1) ON CONFLICT DO UPDATE SET events = events + 1;
  END;
  CREATE TRIGGER tally_gone AFTER DELETE ON events BEGIN
    UPDATE tallies SET events = events - 1 WHERE tenant = old.tenant AND state = old.state;
  END;
`;

/** The ledger. Accounts are digests where they name people; a row of `budget_holds` is one reservation. */
const version2 = `
  CREATE TABLE budget_uses (
    scope TEXT NOT NULL, account TEXT NOT NULL, window TEXT NOT NULL, start INTEGER NOT NULL, resource TEXT NOT NULL,
    used INTEGER NOT NULL, held INTEGER NOT NULL, warned INTEGER NOT NULL DEFAULT 0, kept_until INTEGER NOT NULL,
    PRIMARY KEY (scope, account, window, start, resource)
  ) WITHOUT ROWID;
  CREATE INDEX budget_uses_old ON budget_uses (kept_until);

  CREATE TABLE budget_holds (id TEXT PRIMARY KEY, until INTEGER NOT NULL, lines TEXT NOT NULL) WITHOUT ROWID;
  CREATE INDEX budget_holds_over ON budget_holds (until);

  CREATE TABLE budget_told (
    scope TEXT NOT NULL, account TEXT NOT NULL, window TEXT NOT NULL, start INTEGER NOT NULL, resource TEXT NOT NULL,
    listener TEXT NOT NULL, teller TEXT NOT NULL, kept_until INTEGER NOT NULL,
    PRIMARY KEY (scope, account, window, start, resource, listener)
  ) WITHOUT ROWID;
  CREATE INDEX budget_told_old ON budget_told (kept_until);

  CREATE TABLE budget_killed (tenant TEXT PRIMARY KEY) WITHOUT ROWID;
`;

/** Held replies: the latest of each event, and when the one that waits for a person expires. */
const version3 = `
  ALTER TABLE events ADD COLUMN review TEXT;
  ALTER TABLE events ADD COLUMN review_until INTEGER;
  CREATE INDEX events_in_review ON events (review_until) WHERE review_until IS NOT NULL;
`;

/** Audit chains. A chain whose entries were all trimmed keeps its end: the next entry follows it. */
const version4 = `
  CREATE TABLE audit (
    tenant TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    subject TEXT NOT NULL, data TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (tenant, seq)
  ) WITHOUT ROWID;
  CREATE TABLE audit_heads (tenant TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
`;

/** What is limited: requests in a window, failures that lock out, failures in a minute, authentic events of a channel. */
const version5 = `
  CREATE TABLE rates (key TEXT PRIMARY KEY, count INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX rates_over ON rates (until);

  CREATE TABLE lockouts (
    key TEXT PRIMARY KEY, failures INTEGER NOT NULL, window_ends INTEGER NOT NULL, step INTEGER NOT NULL,
    until INTEGER NOT NULL, forgotten_at INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX lockouts_old ON lockouts (forgotten_at);

  CREATE TABLE minute_counts (
    minute INTEGER NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (minute, key)
  ) WITHOUT ROWID;

  CREATE TABLE channel_rates (
    tenant TEXT NOT NULL, channel TEXT NOT NULL, full_at REAL NOT NULL, PRIMARY KEY (tenant, channel)
  ) WITHOUT ROWID;
`;

/** `migrations[n]` lifts a file from version n to n + 1. Append only: a file in the field is never rewritten by hand. */
const migrations: readonly string[] = [version1, version2, version3, version4, version5];

/** Version of the files of this release. */
export const FILE_VERSION = migrations.length;

/**
 * The version of the file, 0 for one that is still empty.
 * @throws SallyportError ERR_STORE_MISMATCH for a file of a newer release or of another program.
 */
function versionOf(connection: Connection): number {
  const version = Number(connection.pragma('user_version'));
  const isFresh = version === 0 && connection.query('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (!isFresh && (connection.pragma('application_id') !== APPLICATION_ID || version === 0)) {
    throw new SallyportError(
      'ERR_STORE_MISMATCH',
      'SALLYPORT_DATA_DIR: the data file belongs to another program; set another folder',
    );
  }
  if (version > migrations.length) {
    throw new SallyportError(
      'ERR_STORE_MISMATCH',
      'SALLYPORT_DATA_DIR: the data file was written by a newer release; start that release, or set another folder',
    );
  }
  return version;
}

/**
 * Brings the file to this release's version; call it inside a transaction, so that two processes may start at once.
 * @throws SallyportError as `versionOf`
 */
function migrate(connection: Connection): void {
  for (const migration of migrations.slice(versionOf(connection))) connection.exec(migration);
  connection.pragma(`application_id = ${APPLICATION_ID}`);
  connection.pragma(`user_version = ${migrations.length}`);
}

/**
 * Keeps the check value of `SALLYPORT_ID_KEY` at first start and compares it ever after: two keys would see every event twice.
 * @throws SallyportError ERR_STORE_MISMATCH
 */
function claimIdentity(connection: Connection, idCheck: string): void {
  connection.query(`INSERT OR IGNORE INTO meta VALUES ('id_check', ?)`).run(idCheck);
  if (storedIdCheck(connection) !== idCheck) {
    throw new SallyportError(
      'ERR_STORE_MISMATCH',
      'SALLYPORT_ID_KEY: is not the key this data file was made with; set that key again (dev keeps its keys in ' +
        'secrets.json beside the file), or set another SALLYPORT_DATA_DIR',
    );
  }
}

/** The check value of the key that the file was made with; undefined for a file that no process has prepared. */
export const storedIdCheck = (connection: Connection): string | undefined =>
  connection.query<{ value: string }>(`SELECT value FROM meta WHERE name = 'id_check'`).get()?.value;

/** Whether the file is at this release's version and belongs to the key already, so that opening it changes nothing. */
function isPrepared(connection: Connection, idCheck: string): boolean {
  return versionOf(connection) === migrations.length && storedIdCheck(connection) === idCheck;
}

/** `PRAGMA synchronous`: 2 is FULL, 3 is EXTRA (sqlite.org/pragma.html#pragma_synchronous). */
const FULL = 2;

/** Makes `Store.check`. The whole file is read only once: the later calls are a readiness probe's. */
export function createCheck({ connection, writer, counter }: StoreParts, idCheck: string): () => Promise<void> {
  let isIntact = false;

  function checkSettings(): void {
    if (connection.pragma('journal_mode') !== 'wal') {
      throw new SallyportError(
        'ERR_STORE_UNSAFE',
        'SALLYPORT_DATA_DIR: its file system does not allow journal_mode WAL',
      );
    }
    if (Number(connection.pragma('synchronous')) < FULL) {
      throw new SallyportError('ERR_STORE_UNSAFE', 'the data file is not opened with synchronous FULL');
    }
  }

  function checkIntegrity(): void {
    if (isIntact) return;
    if (connection.pragma('quick_check(1)') !== 'ok') {
      throw new SallyportError('ERR_STORE_UNSAFE', 'SALLYPORT_DATA_DIR: the data file is damaged; restore a copy');
    }
    isIntact = true;
  }

  return async () => {
    writer.read(checkSettings);
    writer.read(checkIntegrity);
    await writer.write(() => {
      versionOf(connection);
      claimIdentity(connection, idCheck);
      // SQLite writes nothing for an update to the same value.
      counter();
    });
  };
}
