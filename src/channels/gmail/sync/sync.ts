import { SallyportError } from '../../../core/errors.ts';
import type { NamedLease } from '../../../queue/lease.ts';
import { isNews, isShown, settle, type Walked } from './cursor.ts';
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
