import { z } from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { codeOf } from '../../../core/errors.ts';
import type { GmailClient } from '../api/client.ts';
import { sourceError } from '../api/failure.ts';
import { type Mailboxes, newMailbox } from './mailbox-state.ts';
import { newWatch, type Watches, type WatchState } from './watch-state.ts';

export interface WatchDeps {
  readonly client: GmailClient;
  readonly mailboxes: Mailboxes;
  readonly watches: Watches;
  /** Where Gmail publishes; absent: somebody else keeps the watches. */
  readonly topic?: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
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

/**
 * Renews the mailbox's watch when it is due. The history id that Gmail answers is not used: it lies beyond everything
 * that has not been read yet. A new mailbox's cursor begins with its first sync, which lists what came since the first
 * attempt to watch it, whether or not that attempt succeeded.
 * @throws SallyportError ERR_STORE_UNAVAILABLE; what Gmail refuses is recorded.
 */
export async function keepWatch(mailbox: string, deps: WatchDeps, signal: AbortSignal): Promise<WatchState> {
  const { watches, mailboxes, clock } = deps;
  const known = (await watches.read(mailbox)) ?? newWatch;
  if (known.dueAt > clock()) return known;
  // Before the call: Gmail publishes at once, and the push that comes of it finds a mailbox that has a beginning.
  await mailboxes.update(mailbox, (state) => state ?? newMailbox(clock()));
  try {
    const expiresAt = await watch(mailbox, deps, signal);
    return await watches.update(mailbox, () => renewed(expiresAt, deps));
  } catch (error) {
    signal.throwIfAborted();
    const code = codeOf(sourceError(error));
    if (code === 'ERR_STORE_UNAVAILABLE') throw error;
    return watches.update(mailbox, (latest) => failed(latest ?? newWatch, code, deps));
  }
}

/** Epoch ms at which the watch ends; null where there is none to be kept. */
async function watch(mailbox: string, { client, topic }: WatchDeps, signal: AbortSignal): Promise<number | null> {
  if (topic === undefined) return null;
  const params = { userId: mailbox, requestBody: { topicName: topic } };
  return (await client.call(mailbox, watched, (users, options) => users.watch(params, options), signal)).expiration;
}

function renewed(expiresAt: number | null, { clock, random }: WatchDeps): WatchState {
  const now = clock();
  // Up to a tenth earlier, so that mailboxes which were connected together drift apart.
  const daily = now + RENEW_MS * (1 - random() / 10);
  const latest = expiresAt === null ? daily : Math.max(now + HOUR_MS, expiresAt - SPARE_MS);
  return { ...newWatch, expiresAt, dueAt: Math.min(daily, latest) };
}

function failed(known: WatchState, code: WatchState['code'], { clock, random }: WatchDeps): WatchState {
  const failures = known.failures + 1;
  const wait = Math.min(HOUR_MS, RETRY_MS * 2 ** Math.min(failures - 1, 10));
  return { ...known, failures, code, dueAt: clock() + wait * (0.5 + random() / 2) };
}
