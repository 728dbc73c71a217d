import { SallyportError } from '../../../core/errors.ts';
import type { NamedLease } from '../../../queue/lease.ts';
import { later, listHistory } from './history.ts';
import { type MailboxState, newMailbox } from './mailbox-state.ts';
import { resync } from './resync.ts';
import { acceptMessages, type Session, type SyncDeps, type SyncRequest } from './session.ts';

/** Life of a mailbox's lease in ms; renewed with every page, of which each takes at most a call's time limit. */
const LEASE_MS = 60_000;

/** Waits in ms before the history is listed again because it has not caught up with the push: 1 to 5 s were seen. */
const RELIST_MS: readonly number[] = [1_000, 2_000, 4_000];

/**
 * Brings a mailbox up to date: every message it got since the cursor is accepted, then the cursor moves. Whatever is
 * done twice comes to the same, because a message's Gmail id is its identity.
 * @throws GmailFailure, SallyportError ERR_SOURCE_UNAVAILABLE while another worker does the same,
 *   ERR_QUEUE_FULL, ERR_STORE_UNAVAILABLE
 */
export async function syncMailbox(request: SyncRequest, deps: SyncDeps): Promise<void> {
  const { identifier, tenant, acquire } = deps;
  const lease = await acquire(`gmail/${identifier.digest('mailbox', [tenant, request.mailbox])}`, LEASE_MS);
  if (lease === null) throw busy();
  try {
    await walkUntilShown({ ...deps, ...request, keepLease: () => keep(lease) });
  } finally {
    await lease.release().catch(() => {
      // The store is away; the lease ends by itself.
    });
  }
}

async function keep(lease: NamedLease): Promise<void> {
  if (!(await lease.renew())) throw busy();
}

const busy = (): SallyportError => new SallyportError('ERR_SOURCE_UNAVAILABLE', 'another worker reads the mailbox');

async function walkUntilShown(session: Session): Promise<void> {
  const { mailbox, mailboxes, pushed, clock, pause, signal } = session;
  let state = await mailboxes.update(mailbox, (known) => begun(known, session));
  const isWaitedFor = pushed !== null && isNews(state, pushed);
  for (let round = 0; ; round += 1) {
    const walked = state.historyId === null ? null : await walk(state.historyId, state.recent, session);
    if (walked === null) return resync(session, state);
    const wait = RELIST_MS[round];
    const given = wait === undefined && isWaitedFor ? pushed : null;
    state = await mailboxes.update(mailbox, (known) => after(begun(known, session), walked, given, clock()));
    if (!isWaitedFor || isShown(state, pushed) || wait === undefined) return;
    await pause(wait, signal);
  }
}

const begun = (known: MailboxState | null, { startedAt, pushed, clock }: Session): MailboxState => ({
  ...(known ?? newMailbox(startedAt)),
  ...(pushed !== null && { pushedAt: clock() }),
});

/** `given`: what the push spoke of, when this was the last try; the keeper has it looked for again. */
function after(known: MailboxState, walked: Walked, given: string | null, now: number): MailboxState {
  const state = settle(known, walked, now);
  return given === null || isShown(state, given) ? state : { ...state, awaited: { historyId: given, at: now } };
}

/** All pages from one start; null when that is too old. `recent`: messages that were accepted before. */
async function walk(start: string, recent: readonly string[], session: Session): Promise<Walked | null> {
  const { client, mailbox, signal, keepLease } = session;
  const known = new Set(recent);
  const messages: string[] = [];
  let newest: string | null = null;
  let current: string | undefined;
  let token: string | undefined;
  do {
    await keepLease();
    const page = await listHistory(client, mailbox, start, token, signal);
    if (page === null) return null;
    await acceptMessages(
      page.added.filter(({ id }) => !known.has(id)),
      session,
    );
    messages.push(...page.added.map(({ id }) => id));
    if (page.newest !== null) newest = later(newest, page.newest);
    // The first page's: later pages name ids whose records may have come after their place in the list.
    current ??= page.current;
    token = page.next;
  } while (token !== undefined);
  return { newest, current, messages };
}

/** What one walk through the history found, after all its messages were accepted. */
interface Walked {
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
function settle(state: MailboxState, { newest, current, messages }: Walked, now: number): MailboxState {
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
const isShown = ({ historyId, shown }: MailboxState, id: string): boolean =>
  isReached(historyId, id) || isReached(shown, id);

/** Whether a push speaks of something that no walk has shown and none is waiting for. */
const isNews = (state: MailboxState, pushed: string): boolean =>
  !isShown(state, pushed) && !isReached(state.awaited?.historyId ?? null, pushed);
