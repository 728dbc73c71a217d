import Database from 'libsql';
import { SallyportError } from '../../../core/errors.ts';

/** What may be bound. libsql 0.5 aborts the process on a boolean, so the type keeps one out. */
export type SqlValue = string | number | null;

/** A prepared statement. */
export interface Query<Row> {
  get(...values: readonly SqlValue[]): Row | undefined;
  all(...values: readonly SqlValue[]): Row[];
  /** Returns the number of rows it changed. */
  run(...values: readonly SqlValue[]): number;
}

/** One connection to the data file. Every call is synchronous. */
export interface Connection {
  query<Row = never>(sql: string): Query<Row>;
  exec(sql: string): void;
  pragma(name: string): SqlValue;
  readonly inTransaction: boolean;
  /** Never throws. */
  close(): void;
}

/**
 * How long one call may stand still for another process's transaction, in milliseconds: about as long as one takes on a
 * slow disk (0.3 ms on a fast one). Whoever holds the file longer is waited for without blocking (writer.ts).
 */
const BLOCKING_MS = 5;

/** Opens the file and changes nothing in it. @throws the library's error; `unavailable` translates it. */
export function connect(path: string): Connection {
  const database = new Database(path, { timeout: BLOCKING_MS });
  // Deleted bytes are overwritten with zeros, so that what was erased is not left in free parts of the file.
  database.prepare('PRAGMA secure_delete = ON').all();
  return {
    query: <Row>(sql: string) => prepare<Row>(database, sql),
    exec: (sql) => void database.exec(sql),
    pragma: (name) => {
      const [row] = database.prepare(`PRAGMA ${name}`).all() as Record<string, SqlValue>[];
      return row === undefined ? null : (Object.values(row)[0] ?? null);
    },
    get inTransaction() {
      return database.inTransaction;
    },
    close: () => close(database),
  };
}

/**
 * WAL lets readers and one writer work side by side; FULL syncs the log at each commit, which is what makes an
 * acknowledgement survive a power cut; `fullfsync` makes that true on macOS, whose fsync stops at the drive.
 */
export function makeDurable(connection: Connection): void {
  for (const setting of ['journal_mode = WAL', 'synchronous = FULL', 'fullfsync = ON']) connection.pragma(setting);
}

/**
 * Commits are in the file as soon as they return, where a killed process leaves them, and on the disk with the next synced
 * commit of any connection, because all share one log (sqlite.org/wal.html). A power cut may take them back in between.
 */
export function makeQuick(connection: Connection): void {
  connection.pragma('synchronous = NORMAL');
}

/** libsql lets go of the file only once its statements are collected, so the log is moved into the file here. */
function close(database: Database.Database): void {
  try {
    database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
  } catch {
    // Busy or broken: what the log holds is durable there too, and the next one to open the file reads it.
  }
  database.close();
}

/**
 * libsql 0.5 does not reset a statement that `all` has run: a `get` after it goes on where that ended and answers for
 * the values of before. So each has its own.
 */
function prepare<Row>(database: Database.Database, sql: string): Query<Row> {
  const one = database.prepare<SqlValue[]>(sql);
  let many: typeof one | undefined;
  return {
    get: (...values) => one.get(...values) as Row | undefined,
    all: (...values) => {
      many ??= database.prepare<SqlValue[]>(sql);
      return many.all(...values) as Row[];
    },
    run: (...values) => one.run(...values).changes,
  };
}

/** Primary result codes (sqlite.org/rescode.html) that speak of the file or the machine, not of a statement of ours. */
const UNAVAILABLE =
  /^SQLITE_(BUSY|LOCKED|FULL|IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|NOMEM|PERM|AUTH|PROTOCOL|INTERRUPT)/;

const codeOfSql = (error: unknown): string => (error instanceof Database.SqliteError ? error.code : '');

/** The kind of a failure as a label of a metric: `busy`, `full`, `ioerr` …; null for what is not the file's fault. */
export const failureKindOf = (error: unknown): string | null =>
  UNAVAILABLE.exec(codeOfSql(error))?.[1]?.toLowerCase() ?? null;

export const isBusy = (error: unknown): boolean => /^SQLITE_(BUSY|LOCKED)/.test(codeOfSql(error));

export const isNoDatabase = (error: unknown): boolean => codeOfSql(error) === 'SQLITE_NOTADB';

/** The error to throw in place of one that the library threw; anything that is not the file's fault stays as it is. */
export function unavailable(error: unknown): unknown {
  if (!UNAVAILABLE.test(codeOfSql(error))) return error;
  return new SallyportError('ERR_STORE_UNAVAILABLE', 'the data file cannot be read or written', { cause: error });
}

/**
 * The one number that only grows: tokens, places in line and revisions come from it, so none is ever used twice,
 * whatever was deleted in between. Call it inside a transaction.
 */
export type Counter = () => number;

export function createCounter(connection: Connection): Counter {
  const next = connection.query<{ value: number }>(
    `UPDATE meta SET value = value + 1 WHERE name = 'counter' RETURNING value`,
  );
  return () => {
    const [row] = next.all();
    if (row === undefined) throw new Error('the data file has no counter');
    return row.value;
  };
}
