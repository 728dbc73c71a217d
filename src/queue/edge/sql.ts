/** What may be bound. */
export type SqlValue = string | number | null;

/**
 * One SQLite database, as `ctx.storage.sql` of a Durable Object and libsql both have it. Every call is synchronous. A
 * driver is expected to keep prepared statements by their text.
 */
export interface Sql {
  all<Row>(query: string, ...values: readonly SqlValue[]): Row[];
  run(query: string, ...values: readonly SqlValue[]): void;
  /** Commits what `work` wrote when it returns and takes all of it back when it throws. Never nested. */
  transaction<T>(work: () => T): T;
  /** Size of the database in bytes. */
  databaseBytes(): number;
}
