import { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { codeOf } from '../../core/errors.ts';
import type { GmailClient } from './client.ts';
import { sourceError } from './failure.ts';
import { type Mailboxes, newMailbox } from './mailbox-state.ts';
import { currentHistoryId } from './messages.ts';
import { historyIdSchema } from './payload.ts';
import { newWatch, type Watches, type WatchState } from './watch-state.ts';

export interface WatchDeps {
  readonly client: GmailClient;
  readonly mailboxes: Mailboxes;
  readonly watches: Watches;
  /** Where Gmail publishes; absent: somebody else keeps the watches, and only the cursor is begun here. */
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

const watched = z.object({
  historyId: historyIdSchema,
  expiration: z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number),
});

/**
 * Renews the mailbox's watch when it is due, and begins its cursor where it has none. A cursor that is there is never
 * touched: the id that a renewal answers lies beyond everything that has not been read yet.
 * @throws SallyportError ERR_STORE_UNAVAILABLE; what Gmail refuses is recorded.
 */
export async function keepWatch(mailbox: string, deps: WatchDeps, signal: AbortSignal): Promise<WatchState> {
  const { watches, clock } = deps;
  const known = (await watches.read(mailbox)) ?? newWatch;
  if (known.dueAt > clock()) return known;
  try {
    const expiresAt = await (deps.topic === undefined
      ? beginCursor(mailbox, deps, signal)
      : watch(mailbox, deps.topic, deps, signal));
    return await watches.update(mailbox, () => renewed(expiresAt, deps));
  } catch (error) {
    signal.throwIfAborted();
    const code = codeOf(sourceError(error));
    if (code === 'ERR_STORE_UNAVAILABLE') throw error;
    return watches.update(mailbox, (latest) => failed(latest ?? newWatch, code, deps));
  }
}

/** Epoch ms at which the watch ends. */
async function watch(mailbox: string, topicName: string, deps: WatchDeps, signal: AbortSignal): Promise<number> {
  const { client, mailboxes, clock } = deps;
  // Before the call: Gmail publishes at once, and the push that comes of it finds a mailbox that has a beginning.
  await mailboxes.update(mailbox, (state) => state ?? newMailbox(clock()));
  const params = { userId: mailbox, requestBody: { topicName } };
  const { historyId, expiration } = await client.call(
    mailbox,
    watched,
    (users, options) => users.watch(params, options),
    signal,
  );
  await seed(mailbox, historyId, deps);
  return expiration;
}

async function beginCursor(mailbox: string, deps: WatchDeps, signal: AbortSignal): Promise<null> {
  const known = await deps.mailboxes.update(mailbox, (state) => state ?? newMailbox(deps.clock()));
  if (known.historyId === null) await seed(mailbox, await currentHistoryId(deps.client, mailbox, signal), deps);
  return null;
}

const seed = (mailbox: string, historyId: string, { mailboxes, clock }: WatchDeps) =>
  mailboxes.update(mailbox, (state) => {
    const known = state ?? newMailbox(clock());
    return known.historyId === null ? { ...known, historyId } : known;
  });

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
