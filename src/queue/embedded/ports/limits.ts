import type { Clock } from '../../../core/clock.ts';
import { type Limits, MAX_LIMIT_KEYS, MINUTE_MS } from '../../limits.ts';
import { afterFailure, forgottenAt, type Lockout, NO_LOCKOUT } from '../../model/lockout.ts';
import type { Connection } from '../file/connection.ts';
import type { Writer } from '../file/writer.ts';

/** Rows forgotten along with one that is written. */
const CHUNK = 100;

/** `connection` and `writer`: of the connection that does not wait for the disk. Counts need not survive a power cut. */
export function createLimits({
  connection,
  writer,
  clock,
}: {
  readonly connection: Connection;
  readonly writer: Writer;
  readonly clock: Clock;
}): Limits {
  const taken = connection.query<{ count: number; until: number }>('SELECT count, until FROM rates WHERE key = ?');
  const putTaken = connection.query('INSERT OR REPLACE INTO rates VALUES (?, ?, ?)');
  const forgetTaken = connection.query(
    'DELETE FROM rates WHERE key IN (SELECT key FROM rates WHERE until <= ? ORDER BY until LIMIT ?)',
  );
  const lockout = connection.query<Lockout>(
    'SELECT failures, window_ends AS windowEnds, step, until FROM lockouts WHERE key = ?',
  );
  const putLockout = connection.query('INSERT OR REPLACE INTO lockouts VALUES (?, ?, ?, ?, ?, ?)');
  const lockouts = connection.query<{ count: number }>('SELECT count(*) AS count FROM lockouts');
  const forgetLockouts = connection.query(
    'DELETE FROM lockouts WHERE key IN (SELECT key FROM lockouts WHERE forgotten_at <= ? ORDER BY forgotten_at LIMIT ?)',
  );
  const forgetOldest = connection.query(
    'DELETE FROM lockouts WHERE key IN (SELECT key FROM lockouts ORDER BY forgotten_at LIMIT ?)',
  );
  const counted = connection.query<{ count: number }>('SELECT count FROM minute_counts WHERE minute = ? AND key = ?');
  const countedKeys = connection.query<{ count: number }>(
    'SELECT count(*) AS count FROM minute_counts WHERE minute = ?',
  );
  const putCounted = connection.query('INSERT OR REPLACE INTO minute_counts VALUES (?, ?, ?)');
  const forgetCounted = connection.query('DELETE FROM minute_counts WHERE minute < ?');

  return {
    take: (key, { count, windowMs }) =>
      writer.write(() => {
        const now = clock();
        const known = taken.get(key);
        const isOpen = known !== undefined && now < known.until;
        if (isOpen && known.count >= count) return known.until - now;
        if (!isOpen) forgetTaken.run(now, CHUNK);
        putTaken.run(key, isOpen ? known.count + 1 : 1, isOpen ? known.until : now + windowMs);
        return 0;
      }),
    async lockedFor(key) {
      return writer.read(() => Math.max(0, (lockout.get(key)?.until ?? 0) - clock()));
    },
    fail: (key, rule, times) =>
      writer.write(() => {
        const now = clock();
        forgetLockouts.run(now, CHUNK);
        const known = lockout.get(key);
        const after = afterFailure(known ?? NO_LOCKOUT, rule, now, times);
        if (known === undefined && (lockouts.get()?.count ?? 0) >= MAX_LIMIT_KEYS) forgetOldest.run(1);
        putLockout.run(key, after.failures, after.windowEnds, after.step, after.until, forgottenAt(after, rule));
        return Math.max(0, after.until - now);
      }),
    addUp: (counts) =>
      writer.write(() => {
        const minute = Math.floor(clock() / MINUTE_MS);
        forgetCounted.run(minute - 1);
        let keys = countedKeys.get(minute)?.count ?? 0;
        return [...counts].map(([key, more]) => {
          const before = counted.get(minute, key)?.count;
          if (before === undefined && keys >= MAX_LIMIT_KEYS) return more;
          if (before === undefined) keys += 1;
          const sum = (before ?? 0) + more;
          putCounted.run(minute, key, sum);
          return sum;
        });
      }),
  };
}
