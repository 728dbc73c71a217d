import { later } from './history.ts';
import type { MailboxState } from './mailbox-state.ts';

/** What one walk through the history found, after all its messages were accepted. */
export interface Walked {
  /** The greatest id among the records; null when there was none. */
  readonly newest: string | null;
  /** The mailbox's current history id when the walk began. */
  readonly current: string;
  /** Gmail ids of the messages it showed. */
  readonly messages: readonly string[];
}

/**
 * Milliseconds for which the history is read again from where it was begun. Gmail's index has been seen 1 to 5 s behind
 * its own pushes, and nobody promises that it fills in order; what the cursor has passed is never listed again.
 */
const SETTLE_MS = 5 * 60_000;

/** Messages of earlier walks that are remembered; beyond these the store finds out that it has them. */
const MAX_RECENT = 500;

/**
 * The state after a walk. The cursor becomes what an earlier walk reached, once that is long enough ago; it never moves
 * backwards.
 */
export function settle(state: MailboxState, { newest, current, messages }: Walked, now: number): MailboxState {
  const { reached, awaited } = state;
  const isSettled = reached !== null && now - reached.at >= SETTLE_MS;
  const historyId = isSettled ? later(state.historyId, reached.historyId) : state.historyId;
  const shown = newest === null ? state.shown : later(state.shown, newest);
  const next = isSettled || reached === null ? { historyId: current, at: now } : reached;
  const settled: MailboxState = {
    ...state,
    historyId,
    reached: isReached(historyId, next.historyId) ? null : next,
    shown,
    recent: messages.slice(-MAX_RECENT),
    syncedAt: now,
  };
  const isOver = awaited !== null && (isShown(settled, awaited.historyId) || now - awaited.at >= SETTLE_MS);
  return isOver ? { ...settled, awaited: null } : settled;
}

const isReached = (cursor: string | null, id: string): boolean => cursor !== null && later(cursor, id) === cursor;

/** Whether a walk has come as far as that id. */
export const isShown = ({ historyId, shown }: MailboxState, id: string): boolean =>
  isReached(historyId, id) || isReached(shown, id);

/** Whether a push speaks of something that no walk has shown and none is waiting for. */
export const isNews = (state: MailboxState, pushed: string): boolean =>
  !isShown(state, pushed) && !isReached(state.awaited?.historyId ?? null, pushed);
