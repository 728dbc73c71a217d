import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { codeOf } from '../../../core/errors.ts';
import type { Identifier } from '../../../core/identity.ts';
import type { KeptSource } from '../../../core/kept-source.ts';
import { isUnreadable } from '../../../queue/records/collection.ts';
import type { KeeperTask, ParsedEvent } from '../../channel.ts';
import type { GmailClient } from '../api/client.ts';
import { sourceError } from '../api/failure.ts';
import { pollEvent } from '../receive/identify.ts';
import {
  type Mailboxes,
  type MailboxState,
  newMailbox,
  newWatch,
  type Watches,
  type WatchState,
} from './mailbox-state.ts';

/**
 * Milliseconds between looks at a mailbox that has no cursor yet, or that has not shown what a push spoke of: Gmail's
 * index, seen 1 to 5 s behind, has caught up by then.
 */
const RECHECK_MS = 60_000;

/** Polls that may fail before the mailbox counts as failing. */
const MISSED_POLLS = 3;

/**
 * Keeps a tenant's mailboxes: renews their watches daily and looks where no push has come. A look is an event like a
 * push, so workers do the reading, one at a time for each mailbox, and this task only says what is due.
 */
export function createGmailKeeperTask({
  identifier,
  tenant,
  client,
  mailboxes,
  watches,
  topic,
  clock,
  random,
  boxes,
  pollAfterMs,
  accept,
}: {
  readonly identifier: Identifier;
  readonly tenant: string;
  readonly client: GmailClient;
  readonly mailboxes: Mailboxes;
  readonly watches: Watches;
  /** Where Gmail publishes; absent: the watches are managed elsewhere. */
  readonly topic?: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** In lower case. */
  readonly boxes: readonly string[];
  /** Milliseconds of silence after which a mailbox is looked into without a push; null: it never is. */
  readonly pollAfterMs: number | null;
  /** Resolves once the events are durable. */
  readonly accept: (events: readonly ParsedEvent[]) => Promise<void>;
}): KeeperTask {
  /** Epoch ms at which the watch ends; null where there is none to be kept. */
  const startWatch = async (mailbox: string, signal: AbortSignal): Promise<number | null> => {
    if (topic === undefined) return null;
    const params = { userId: mailbox, requestBody: { topicName: topic } };
    return (await client.call(mailbox, watched, (users, options) => users.watch(params, options), signal)).expiration;
  };

  const renewed = (expiresAt: number | null): WatchState => {
    const now = clock();
    // Up to a tenth earlier, so that mailboxes which were connected together drift apart.
    const daily = now + RENEW_MS * (1 - random() / 10);
    const latest = expiresAt === null ? daily : Math.max(now + HOUR_MS, expiresAt - SPARE_MS);
    return { ...newWatch, expiresAt, dueAt: Math.min(daily, latest) };
  };

  const failed = (known: WatchState, code: WatchState['code']): WatchState => {
    const failures = known.failures + 1;
    const wait = Math.min(HOUR_MS, RETRY_MS * 2 ** Math.min(failures - 1, 10));
    return { ...known, failures, code, dueAt: clock() + wait * (0.5 + random() / 2) };
  };

  /**
   * Renews the mailbox's watch when it is due. The history id that Gmail answers is not used: it lies beyond everything
   * that has not been read yet. A new mailbox's cursor begins with its first sync, which lists what came since the first
   * attempt to watch it, whether or not that attempt succeeded.
   * @throws SallyportError ERR_STORE_UNAVAILABLE; what Gmail refuses is recorded.
   */
  const keepWatch = async (mailbox: string, signal: AbortSignal): Promise<WatchState> => {
    const known = (await watches.read(mailbox)) ?? newWatch;
    if (known.dueAt > clock()) return known;
    // Before the call: Gmail publishes at once, and the push that comes of it finds a mailbox that has a beginning.
    await mailboxes.update(mailbox, (state) => state ?? newMailbox(clock()));
    try {
      const expiresAt = await startWatch(mailbox, signal);
      return await watches.update(mailbox, () => renewed(expiresAt));
    } catch (error) {
      signal.throwIfAborted();
      const code = codeOf(sourceError(error));
      if (code === 'ERR_STORE_UNAVAILABLE') throw error;
      return watches.update(mailbox, (latest) => failed(latest ?? newWatch, code));
    }
  };

  const pollWhenDue = async (mailbox: string): Promise<MailboxState | null> => {
    const state = await mailboxes.read(mailbox);
    const now = clock();
    if (pollAfterMs === null || state === null || !isPollDue(state, now, pollAfterMs)) return state;
    try {
      await accept([pollEvent(mailbox, Math.floor(now / RECHECK_MS), now, { identifier, tenant })]);
    } catch (error) {
      // The next round asks again; until then the other mailboxes must not go without their renewal.
      if (codeOf(error) === 'ERR_QUEUE_FULL') return state;
      throw error;
    }
    return mailboxes.update(mailbox, (latest) => ({ ...(latest ?? state), polledAt: now }));
  };

  const reportOf = (mailbox: string, watch: WatchState, state: MailboxState | null): KeptSource => {
    const isWatched = topic === undefined || (watch.expiresAt !== null && watch.expiresAt > clock());
    const isRead =
      pollAfterMs === null ||
      state === null ||
      clock() - (state.syncedAt ?? state.startedAt) < (MISSED_POLLS + 1) * pollAfterMs;
    const code = watch.code ?? (isRead ? null : 'ERR_SOURCE_UNAVAILABLE');
    return {
      name: mailbox,
      state: !isWatched ? 'lapsed' : code === null ? 'active' : 'failing',
      expiresAt: watch.expiresAt,
      lastEventAt: state?.pushedAt ?? null,
      ...(state !== null && { startedAt: state.startedAt }),
      ...(code !== null && { code }),
    };
  };

  /** What cannot be read keeps no other mailbox from being kept: it is as it was, and the report says so. */
  const keepAndReport = async (mailbox: string, signal: AbortSignal): Promise<KeptSource> => {
    try {
      const watch = await keepWatch(mailbox, signal);
      return reportOf(mailbox, watch, await pollWhenDue(mailbox));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return { name: mailbox, state: 'failing', expiresAt: null, lastEventAt: null, code: codeOf(error) };
    }
  };

  return {
    name: `gmail/${tenant}`,
    tenant,
    channel: 'gmail',
    /** One round over all mailboxes; what one of them refuses is in its report. @throws SallyportError ERR_STORE_UNAVAILABLE */
    async run(signal) {
      const sources: KeptSource[] = [];
      for (const mailbox of boxes) {
        signal.throwIfAborted();
        sources.push(await keepAndReport(mailbox, signal));
      }
      return { sources };
    },
  };
}

function isPollDue(state: MailboxState, now: number, pollAfterMs: number): boolean {
  const { startedAt, historyId, awaited, syncedAt, pushedAt, polledAt } = state;
  const polled = polledAt ?? 0;
  if (historyId === null && now - polled >= RECHECK_MS) return true;
  if (awaited !== null && now - Math.max(awaited.at, polled) >= RECHECK_MS) return true;
  return now - Math.max(startedAt, syncedAt ?? 0, pushedAt ?? 0, polled) >= pollAfterMs;
}

const HOUR_MS = 3_600_000;

/** Gmail's recommendation; a watch lives for 7 days (developers.google.com/workspace/gmail/api/guides/push). */
const RENEW_MS = 24 * HOUR_MS;

/** However long a watch lives, this much of its life is left when it is renewed, in ms. */
const SPARE_MS = 48 * HOUR_MS;

/** After the first failure, in ms; doubled with each further one, up to an hour. */
const RETRY_MS = 60_000;

const epochMs = z.string().regex(/^\d{1,16}$/);
const watched = z.object({ expiration: epochMs.transform(Number) });
