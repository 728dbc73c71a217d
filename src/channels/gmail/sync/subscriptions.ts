import { codeOf } from '../../../core/errors.ts';
import type { KeeperReport, KeptSource } from '../../../core/kept-source.ts';
import { isUnreadable } from '../../../queue/records/collection.ts';
import type { ParsedEvent } from '../../channel.ts';
import type { KeeperTask } from '../../keeper-task.ts';
import { type IdentifyDeps, pollEvent } from '../receive/identify.ts';
import type { MailboxState } from './mailbox-state.ts';
import { keepWatch, type WatchDeps } from './renew-watch.ts';
import type { WatchState } from './watch-state.ts';

export interface GmailKeeperDeps extends WatchDeps, IdentifyDeps {
  /** In lower case. */
  readonly boxes: readonly string[];
  /** Milliseconds of silence after which a mailbox is looked into without a push. */
  readonly pollAfterMs: number;
  /** Resolves once the events are durable. */
  readonly accept: (events: readonly ParsedEvent[]) => Promise<void>;
}

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
export function createGmailKeeperTask(deps: GmailKeeperDeps): KeeperTask {
  return {
    name: `gmail/${deps.tenant}`,
    tenant: deps.tenant,
    channel: 'gmail',
    run: (signal) => renewGmailWatches(deps, signal),
  };
}

/** One round over all mailboxes; what one of them refuses is in its report. @throws SallyportError ERR_STORE_UNAVAILABLE */
async function renewGmailWatches(deps: GmailKeeperDeps, signal: AbortSignal): Promise<KeeperReport> {
  const sources: KeptSource[] = [];
  for (const mailbox of deps.boxes) {
    signal.throwIfAborted();
    sources.push(await keepAndReport(mailbox, deps, signal));
  }
  return { sources };
}

/** What cannot be read keeps no other mailbox from being kept: it is as it was, and the report says so. */
async function keepAndReport(mailbox: string, deps: GmailKeeperDeps, signal: AbortSignal): Promise<KeptSource> {
  try {
    const watch = await keepWatch(mailbox, deps, signal);
    return reportOf(mailbox, watch, await pollWhenDue(mailbox, deps), deps);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return { name: mailbox, state: 'failing', expiresAt: null, lastEventAt: null, code: codeOf(error) };
  }
}

async function pollWhenDue(mailbox: string, deps: GmailKeeperDeps): Promise<MailboxState | null> {
  const { mailboxes, clock, accept } = deps;
  const state = await mailboxes.read(mailbox);
  const now = clock();
  if (state === null || !isPollDue(state, now, deps.pollAfterMs)) return state;
  try {
    await accept([pollEvent(mailbox, Math.floor(now / RECHECK_MS), now, deps)]);
  } catch (error) {
    // The next round asks again; until then the other mailboxes must not go without their renewal.
    if (codeOf(error) === 'ERR_QUEUE_FULL') return state;
    throw error;
  }
  return mailboxes.update(mailbox, (latest) => ({ ...(latest ?? state), polledAt: now }));
}

function isPollDue(state: MailboxState, now: number, pollAfterMs: number): boolean {
  const { startedAt, historyId, awaited, syncedAt, pushedAt, polledAt } = state;
  const polled = polledAt ?? 0;
  if (historyId === null && now - polled >= RECHECK_MS) return true;
  if (awaited !== null && now - Math.max(awaited.at, polled) >= RECHECK_MS) return true;
  return now - Math.max(startedAt, syncedAt ?? 0, pushedAt ?? 0, polled) >= pollAfterMs;
}

function reportOf(mailbox: string, watch: WatchState, state: MailboxState | null, deps: GmailKeeperDeps): KeptSource {
  const { topic, clock, pollAfterMs } = deps;
  const isWatched = topic === undefined || (watch.expiresAt !== null && watch.expiresAt > clock());
  const isRead = state === null || clock() - (state.syncedAt ?? state.startedAt) < (MISSED_POLLS + 1) * pollAfterMs;
  const code = watch.code ?? (isRead ? null : 'ERR_SOURCE_UNAVAILABLE');
  return {
    name: mailbox,
    state: !isWatched ? 'lapsed' : code === null ? 'active' : 'failing',
    expiresAt: watch.expiresAt,
    lastEventAt: state?.pushedAt ?? null,
    ...(state !== null && { startedAt: state.startedAt }),
    ...(code !== null && { code }),
  };
}
