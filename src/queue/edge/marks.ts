import { readMeta, writeMeta } from './schema.ts';
import type { Sql } from './sql.ts';

/** What is remembered of one content under an identity key. */
export interface Mark {
  readonly fingerprint: string;
  /** 1 for the content that was accepted, 0 for one that contradicts it. */
  readonly original: 0 | 1;
  readonly event_id: string;
  readonly expires_at: number;
}

/** The marks by which deliveries are recognised. Every call but `sweep` belongs into a transaction of the caller. */
export interface Marks {
  /** The marks of the key whose window is open; those whose window has passed are deleted. */
  of(key: string, now: number): readonly Mark[];
  set(key: string, mark: Mark): void;
  /** Deletes the key's marks, contradictions included, unless another event holds the key by now. */
  forget(key: string, eventId: string): void;
  /** Looks at the next marks for expired ones, if that is due. One transaction. Returns whether more is due now. */
  sweep(now: number): boolean;
}

/** Marks that one step of the sweep looks at: about a millisecond, and at most as many rows written. */
const SWEEP_ROWS = 1_000;

/** Between two walks over all marks, in ms. A window is at least 25 h long, so more often would find little. */
const SWEEP_EVERY_MS = 86_400_000;

interface Sweep {
  /** The last mark that was looked at; null between two walks. */
  readonly after: readonly [key: string, fingerprint: string] | null;
  readonly nextAt: number;
}

/**
 * An object that is idle is not woken for a sweep: its marks do not grow, and storing them costs less than an alarm.
 * Expired marks are found by walking the primary key with a cursor: an index on the expiry would add a row written to
 * every event, and rows read cost a thousandth of that.
 */
export function createMarks(sql: Sql): Marks {
  let sweepState: Sweep | undefined;
  const sweepOf = (): Sweep => {
    sweepState ??= readMeta<Sweep>(sql, 'sweep') ?? { after: null, nextAt: 0 };
    return sweepState;
  };

  function step(now: number): Sweep {
    const [key, fingerprint] = sweepOf().after ?? ['', ''];
    const rows = sql.all<Mark & { readonly key: string }>(
      `SELECT key, fingerprint, expires_at FROM seen WHERE (key, fingerprint) > (?, ?)
       ORDER BY key, fingerprint LIMIT ${SWEEP_ROWS}`,
      key,
      fingerprint,
    );
    for (const row of rows) {
      if (row.expires_at <= now) {
        sql.run('DELETE FROM seen WHERE key = ? AND fingerprint = ?', row.key, row.fingerprint);
      }
    }
    const last = rows.at(-1);
    return last === undefined || rows.length < SWEEP_ROWS
      ? { after: null, nextAt: now + SWEEP_EVERY_MS }
      : { after: [last.key, last.fingerprint], nextAt: now };
  }

  return {
    of(key, now) {
      const marks = sql.all<Mark>('SELECT fingerprint, original, event_id, expires_at FROM seen WHERE key = ?', key);
      const open = marks.filter((mark) => mark.expires_at > now);
      if (open.length < marks.length) sql.run('DELETE FROM seen WHERE key = ? AND expires_at <= ?', key, now);
      return open;
    },
    set: (key, { fingerprint, original, event_id, expires_at }) =>
      sql.run('INSERT INTO seen VALUES (?, ?, ?, ?, ?)', key, fingerprint, original, event_id, expires_at),
    forget(key, eventId) {
      const [holder] = sql.all<Mark>('SELECT event_id FROM seen WHERE key = ? AND original = 1', key);
      if (holder?.event_id === eventId) sql.run('DELETE FROM seen WHERE key = ?', key);
    },
    sweep(now) {
      if (sweepOf().nextAt > now) return false;
      sweepState = sql.transaction(() => {
        const next = step(now);
        writeMeta(sql, 'sweep', next);
        return next;
      });
      return sweepState.nextAt <= now;
    },
  };
}
