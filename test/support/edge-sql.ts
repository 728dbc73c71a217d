import Database from 'libsql';
import type { Sql, SqlValue } from '../../src/queue/edge/sql.ts';

export interface SqlFile extends Sql {
  /** Rows inserted, changed or deleted since the file was opened. */
  changes(): number;
  close(): void;
}

/** A file with the interface of a Durable Object's database. */
export function openSqlFile(path: string): SqlFile {
  const database = new Database(path);
  // What a killed process leaves behind needs no sync, and these tests cut no power.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
  const reading = new Map<string, Database.Statement<SqlValue[]>>();
  const writing = new Map<string, Database.Statement<SqlValue[]>>();
  const prepared = (statements: typeof reading, query: string): Database.Statement<SqlValue[]> => {
    const statement = statements.get(query) ?? database.prepare<SqlValue[]>(query);
    statements.set(query, statement);
    return statement;
  };
  const all = <Row>(query: string, ...values: readonly SqlValue[]): Row[] =>
    prepared(reading, query).all(...values) as Row[];
  return {
    all,
    run: (query, ...values) => void prepared(writing, query).run(...values),
    transaction(work) {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        database.exec('ROLLBACK');
        throw error;
      }
    },
    databaseBytes: () => {
      const [row] = all<{ bytes: number }>(
        'SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()',
      );
      return row?.bytes ?? 0;
    },
    changes: () => all<{ n: number }>('SELECT total_changes() AS n')[0]?.n ?? 0,
    close: () => void database.close(),
  };
}
