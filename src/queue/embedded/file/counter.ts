import type { Connection } from './connection.ts';

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
