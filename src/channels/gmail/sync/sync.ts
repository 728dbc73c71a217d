import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { Identifier } from '../../../core/identity.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Lease } from '../../../queue/lease.ts';
import type { ParsedEvent } from '../../channel.ts';
import type { GmailClient } from '../api/client.ts';
import { currentHistoryId, listMessages } from '../read/messages.ts';
import { type ListedMessage, messageEvent } from '../receive/identify.ts';
import { later, listHistory } from './history.ts';
import { KEPT_GAPS, type Mailboxes, type MailboxState, newMailbox } from './mailbox-state.ts';

/** Life of a mailbox's lease in ms; renewed with every page, of which each takes at most a call's time limit. */
const LEASE_MS = 60_000;

/** Waits in ms before the history is listed again because it has not caught up with the push: 1 to 5 s were seen. */
const RELIST_MS: readonly number[] = [1_000, 2_000, 4_000];

/** Messages that are listed a second time after a gap, in ms before the first list began. */
const RECENT_MS = 10 * 60_000;

/** How far the list of messages may be behind the mailbox, in ms: what was seen of the history, and then some. */
const INDEX_LAG_MS = 6_000;

export interface SyncRequest {
  readonly mailbox: string;
  /** The history id of the push that asks for it; null without a push. */
  readonly pushed: string | null;
  /** Epoch ms from which the mailbox is ours, if this is the first that is heard of it. */
  readonly startedAt: number;
  readonly signal: AbortSignal;
  /** Resolves once the events are durable. */
  readonly accept: (events: readonly ParsedEvent[]) => Promise<void>;
}

/**
 * Brings a mailbox up to date: every message it got since the cursor is accepted, then the cursor moves. Whatever is
 * done twice comes to the same, because a message's Gmail id is its identity.
 * @throws GmailFailure, SallyportError ERR_SOURCE_UNAVAILABLE while another worker does the same,
 *   ERR_QUEUE_FULL, ERR_STORE_UNAVAILABLE
 */
export type SyncMailbox = (request: SyncRequest) => Promise<void>;

export function createSyncMailbox({
  identifier,
  tenant,
  client,
  mailboxes,
  acquire,
  clock,
  pause,
  logger,
}: {
  readonly identifier: Identifier;
  readonly tenant: string;
  readonly client: GmailClient;
  readonly mailboxes: Mailboxes;
  readonly acquire: Lease['acquire'];
  readonly clock: Clock;
  /** Waits; rejects when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
}): SyncMailbox {
  return async ({ mailbox, pushed, startedAt, signal, accept }) => {
    const lease = await acquire(`gmail/${identifier.digest('mailbox', [tenant, mailbox])}`, LEASE_MS);
    if (lease === null) throw busy();

    /** Before each page. */
    const keepLease = async (): Promise<void> => {
      if (!(await lease.renew())) throw busy();
    };

    /** Makes listed messages durable. One message occurs in several records, and in several pages. */
    const acceptMessages = async (messages: readonly ListedMessage[]): Promise<void> => {
      const unique = new Map(messages.map((message) => [message.id, message]));
      if (unique.size === 0) return;
      const at = clock();
      await accept([...unique.values()].map((message) => messageEvent(mailbox, message, at, { identifier, tenant })));
    };

    /** All pages from one start; null when that is too old. `recent`: messages that were accepted before. */
    const walk = async (start: string, recent: readonly string[]): Promise<Walked | null> => {
      const known = new Set(recent);
      const messages: string[] = [];
      let newest: string | null = null;
      let current: string | undefined;
      let token: string | undefined;
      do {
        await keepLease();
        const page = await listHistory(client, mailbox, start, token, signal);
        if (page === null) return null;
        await acceptMessages(page.added.filter(({ id }) => !known.has(id)));
        messages.push(...page.added.map(({ id }) => id));
        if (page.newest !== null) newest = later(newest, page.newest);
        // The first page's: later pages name ids whose records may have come after their place in the list.
        current ??= page.current;
        token = page.next;
      } while (token !== undefined);
      return { newest, current, messages };
    };

    /** Accepts every message since then; returns how many there were. */
    const listAll = async (since: number): Promise<number> => {
      let listed = 0;
      let token: string | undefined;
      do {
        await keepLease();
        const page = await listMessages(client, mailbox, since, token, signal);
        await acceptMessages(page.messages);
        listed += page.messages.length;
        token = page.next;
      } while (token !== undefined);
      return listed;
    };

    /**
     * Lists the mailbox anew because its cursor is too old, or because there is none yet. The history id comes first:
     * what arrives while the list is read is in the history after it.
     */
    const resync = async (state: MailboxState): Promise<void> => {
      const { historyId: from } = state;
      const to = await currentHistoryId(client, mailbox, signal);
      const begunAt = clock();
      const listed = await listAll(floorOf(state.startedAt, begunAt));
      // What came just before the id above may have been missing in a list that is behind, and is in no history after it.
      await pause(INDEX_LAG_MS, signal);
      await listAll(Math.max(state.startedAt, begunAt - RECENT_MS));
      await mailboxes.update(mailbox, (known) =>
        restarted(known ?? newMailbox(state.startedAt), { from, to, listed, at: clock() }),
      );
      if (from !== null) logger.warn({ tenant, channel: 'gmail', from, to, listed }, 'mailbox.gap-filled');
    };

    const begun = (known: MailboxState | null): MailboxState => ({
      ...(known ?? newMailbox(startedAt)),
      ...(pushed !== null && { pushedAt: clock() }),
    });

    const walkUntilShown = async (): Promise<void> => {
      let state = await mailboxes.update(mailbox, begun);
      const isWaitedFor = pushed !== null && isNews(state, pushed);
      for (let round = 0; ; round += 1) {
        const walked = state.historyId === null ? null : await walk(state.historyId, state.recent);
        if (walked === null) return resync(state);
        const wait = RELIST_MS[round];
        const given = wait === undefined && isWaitedFor ? pushed : null;
        state = await mailboxes.update(mailbox, (known) => after(begun(known), walked, given, clock()));
        if (!isWaitedFor || isShown(state, pushed) || wait === undefined) return;
        await pause(wait, signal);
      }
    };

    try {
      await walkUntilShown();
    } finally {
      await lease.release().catch(() => {
        // The store is away; the lease ends by itself.
      });
    }
  };
}

const busy = (): SallyportError => new SallyportError('ERR_SOURCE_UNAVAILABLE', 'another worker reads the mailbox');

/** How far back a mailbox is listed, in ms. Shorter than the time for which a message's identity is remembered. */
const RESYNC_MS = 30 * 86_400_000;

/** Epoch ms before which a mailbox's messages are none of ours. */
export const floorOf = (startedAt: number, now: number): number => Math.max(startedAt, now - RESYNC_MS);

interface Restart {
  readonly from: string | null;
  readonly to: string;
  readonly listed: number;
  readonly at: number;
}

/** A cursor that Gmail refused is replaced whatever the new one is: ids of a restored mailbox may start lower. */
function restarted(known: MailboxState, { from, to, listed, at }: Restart): MailboxState {
  const historyId = known.historyId === from ? to : later(known.historyId, to);
  const gaps = from === null ? known.gaps : [...known.gaps, { at, from, to, listed }].slice(-KEPT_GAPS);
  return { ...known, historyId, reached: null, recent: [], awaited: null, syncedAt: at, gaps };
}

/** `given`: what the push spoke of, when this was the last try; the keeper has it looked for again. */
function after(known: MailboxState, walked: Walked, given: string | null, now: number): MailboxState {
  const state = settle(known, walked, now);
  return given === null || isShown(state, given) ? state : { ...state, awaited: { historyId: given, at: now } };
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
