import { SallyportError } from '../../core/errors.ts';
import type { Sql } from './sql.ts';

/** Of the tables below. A release refuses a later one and lifts an earlier one. */
const VERSION = 1;

/**
 * Rows written are what Cloudflare charges for, and an index entry counts as a row: there is no AUTOINCREMENT, no
 * secondary index, and no text key beside a rowid. An accepted event writes two rows, a mark and a row of the outbox.
 *
 * Times are epoch milliseconds. `seen.original` is 1 for the content that was accepted and 0 for one that contradicts it.
 * `outbox.kind` is what the sender was told; `again` marks a parked row that an operator has sent again, which is not
 * counted twice. `upgraded` is 1 when a twin knew of a mention that the body lacks. Small columns stand before `body`, so
 * that reading them does not read a large body's pages. A body that is too long for a row continues in as many rows of
 * `outbox_piece` as `pieces` says, also while its row is parked.
 */
const TABLES = [
  `CREATE TABLE seen (
     key TEXT NOT NULL, fingerprint TEXT NOT NULL, original INTEGER NOT NULL, event_id TEXT NOT NULL,
     expires_at INTEGER NOT NULL, PRIMARY KEY (key, fingerprint)
   ) WITHOUT ROWID`,
  `CREATE TABLE outbox (
     seq INTEGER PRIMARY KEY, id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
     conversation TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL, deliveries INTEGER NOT NULL,
     upgraded INTEGER NOT NULL, fleeting INTEGER NOT NULL, at INTEGER NOT NULL, pieces INTEGER NOT NULL,
     body TEXT NOT NULL
   )`,
  `CREATE TABLE outbox_piece (seq INTEGER NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (seq, n))
     WITHOUT ROWID`,
  `CREATE TABLE parked (
     seq INTEGER PRIMARY KEY, id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
     conversation TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL, deliveries INTEGER NOT NULL,
     upgraded INTEGER NOT NULL, fleeting INTEGER NOT NULL, at INTEGER NOT NULL, pieces INTEGER NOT NULL,
     body TEXT NOT NULL,
     reason TEXT NOT NULL, parked_at INTEGER NOT NULL
   )`,
] as const;

/**
 * Makes the tables of a new shard. Changes nothing in one that has them.
 * @throws SallyportError ERR_STORE_MISMATCH for a shard that a later release has lifted
 */
export function openSchema(sql: Sql): void {
  sql.transaction(() => {
    sql.run('CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID');
    const found = readMeta<number>(sql, 'version');
    if (found === undefined) {
      for (const table of TABLES) sql.run(table);
      writeMeta(sql, 'version', VERSION);
    } else if (found !== VERSION) {
      throw new SallyportError(
        'ERR_STORE_MISMATCH',
        `the shard has version ${Number(found)} and this release reads ${VERSION}; deploy the release that wrote it`,
      );
    }
  });
}

/** A value that the shard keeps under a name, or undefined. */
export function readMeta<Value>(sql: Sql, name: string): Value | undefined {
  const [row] = sql.all<{ value: string }>('SELECT value FROM meta WHERE name = ?', name);
  return row === undefined ? undefined : (JSON.parse(row.value) as Value);
}

/** One row written. */
export const writeMeta = (sql: Sql, name: string, value: unknown): void =>
  sql.run(
    'INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    name,
    JSON.stringify(value),
  );

/** One row written, where there is one. */
export const deleteMeta = (sql: Sql, name: string): void => sql.run('DELETE FROM meta WHERE name = ?', name);
