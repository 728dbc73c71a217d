import { later } from './history.ts';
import type { MailboxState } from './mailbox-state.ts';

/** What one walk through the history found, after all its messages were accepted. */
export interface Walked {
  /** The greatest id among the records; null when there was none. */
  readonly newest: string | null;
  /** The mailbox's current history id when the walk began. */
  readonly current: string;
}

/**
 * Milliseconds for which a history id must have been named without any record before the cursor follows it. Gmail's
 * index has been seen 1 to 5 s behind its own pushes; some minutes' wait cost nothing, a message that is skipped is lost.
 */
export const SETTLE_MS = 5 * 60_000;

/**
 * The state after a walk. The cursor follows what the list has shown, not what it claims: the index may lag behind the
 * mailbox's current id, and everything up to the cursor is never listed again. It never moves backwards.
 */
export function settle(state: MailboxState, { newest, current }: Walked, now: number): MailboxState {
  const { historyId: cursor, observed } = state;
  if (newest !== null) return { ...state, historyId: later(cursor, newest), observed: null, syncedAt: now };
  const isSettled = observed !== null && now - observed.at >= SETTLE_MS;
  const historyId = isSettled ? later(cursor, observed.historyId) : cursor;
  const waiting = isSettled ? null : observed;
  const next = isShown(historyId, current) ? null : (waiting ?? { historyId: current, at: now });
  return { ...state, historyId, observed: next, syncedAt: now };
}

/** Whether the cursor has reached that id. */
export const isShown = (cursor: string | null, id: string): boolean => cursor !== null && later(cursor, id) === cursor;

/** Whether a push speaks of something that no walk has shown and none is waiting for. */
export const isNews = ({ historyId, observed }: MailboxState, pushed: string): boolean =>
  !isShown(historyId, pushed) && !isShown(observed?.historyId ?? null, pushed);
