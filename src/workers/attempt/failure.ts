import type { Replier } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, type ErrorCode, isRetryable, SallyportError } from '../../core/errors.ts';
import type { EventRecord, Run } from '../../core/event.ts';
import { causeOf, type FailureCause } from '../../core/failure.ts';
import type { Logger } from '../../core/logger.ts';
import type { Journal } from '../../queue/journal.ts';
import type { HeldLease, Outcome } from '../../queue/lease.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import { BudgetExhausted, exhaustedNotice } from '../budget/exhausted.ts';
import { NOTICE_STEP, replyOnce } from './reply-once.ts';

export interface Failed {
  readonly error: unknown;
  readonly attempt: number;
  /** What was used, and who was asked. */
  readonly asked: Pick<Run, 'usage' | 'agent'>;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly random: () => number;
  readonly scrub: Scrub;
  /** `StoreLimits.maxAttempts` */
  readonly maxAttempts: number;
}

/** How an attempt that threw ends. */
export function failureOutcome({
  error,
  attempt,
  asked,
  startedAt,
  finishedAt,
  random,
  scrub,
  maxAttempts,
}: Failed): Outcome {
  const code = codeOf(error);
  const ended = { startedAt, finishedAt, ...asked, code, ...cleanCause(error, scrub) };
  if (error instanceof BudgetExhausted && error.next === 'drop') {
    return { kind: 'done', run: { ...ended, outcome: 'silent' } satisfies Run };
  }
  const isOver = namedAtTheEnd.has(code) && attempt >= maxAttempts;
  if (isOver || !isRetryable(code)) return { kind: 'parked', code, run: { ...ended, outcome: 'parked' } satisfies Run };
  const retryAfterMs = error instanceof SallyportError ? error.retryAfterMs : undefined;
  const delayMs = backoffMs(attempt, retryAfterMs, random);
  return { kind: 'retry', code, delayMs, run: { ...ended, outcome: 'retry' } satisfies Run };
}

/** Codes that say more than that every attempt was used: an event parked by the last attempt keeps them. */
const namedAtTheEnd: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ERR_GUARDRAIL_UNAVAILABLE']);

/** A word that looks like a secret is none that tells the cause. */
function cleanCause(error: unknown, scrub: Scrub): FailureCause {
  const { cause, ...rest } = causeOf(error);
  return cause === undefined || scrub(cause).findings.length > 0 ? rest : { cause, ...rest };
}

/** First wait in ms. A vendor's hiccup is over sooner than a person gives up. */
const BASE_MS = 1_000;

/**
 * Each wait is so many times the one before. The four waits between five attempts then total 20 to 40 s: an outage that
 * is over by then parks nothing, and the 60 s for which a head may hold up its conversation are kept.
 */
const GROWTH = 3;

/** Longest single wait in ms. */
const CAP_MS = 27_000;

/**
 * Wait before the attempt after `attempt` (from 1): exponential with equal jitter, so that a thousand conversations
 * which failed together do not come back together. A vendor's `Retry-After` is never undercut. `random` is in [0, 1).
 */
export function backoffMs(attempt: number, retryAfterMs: number | undefined, random: () => number): number {
  const full = Math.min(CAP_MS, BASE_MS * GROWTH ** (attempt - 1));
  const wait = full / 2 + (full / 2) * random();
  return Math.round(Math.max(wait, retryAfterMs ?? 0));
}

/**
 * Says why an attempt failed: our own words in a row, and whatever somebody else's code threw beneath them, with its stack.
 * It is the only place where the author of an agent sees what it threw.
 */
export function logFailure(error: unknown, { event }: EventRecord, agent: string | undefined, logger: Logger): void {
  const reasons: string[] = [];
  let at = error;
  while (at instanceof SallyportError) {
    reasons.push(at.message);
    at = at.cause;
  }
  const foreign = defined({ error: at });
  logger.warn({ eventId: event.id, agent, reason: reasons.join(': '), ...foreign }, 'attempt.failed');
}

/**
 * Tells whoever asked that there will be no answer: of a used up budget once per person, limit and window, of a block once
 * per event. Says nothing of any other failure. Never throws: the refusal stands whether or not anybody hears of it.
 */
export async function tellRefusal(
  error: unknown,
  record: EventRecord,
  lease: HeldLease,
  {
    journal,
    replier,
    timeoutMs,
    clock,
    restoredAtMs,
    blockedNotice,
    signal,
    logger,
  }: {
    readonly journal: Journal;
    readonly replier: Replier;
    /** Time limit of the call that posts, in ms. */
    readonly timeoutMs: number;
    readonly clock: Clock;
    readonly restoredAtMs?: number | undefined;
    /** What is said of a message or reply that a guardrail blocked; null: nothing. */
    readonly blockedNotice: string | null;
    /** The lease's and the shutdown's. */
    readonly signal: AbortSignal;
    readonly logger: Logger;
  },
): Promise<void> {
  const text = noticeOf(error, blockedNotice);
  if (text === null) return;
  try {
    const recorded = await journal.replay(lease);
    await replyOnce(
      { record, lease, step: NOTICE_STEP, text, earlier: (step: string) => recorded.get(step), signal },
      { journal, replier, timeoutMs, clock, restoredAtMs },
    );
  } catch (untold) {
    logger.warn({ eventId: record.event.id, code: codeOf(error), error: untold }, 'refusal.untold');
  }
}

function noticeOf(error: unknown, blockedNotice: string | null): string | null {
  if (error instanceof BudgetExhausted) return error.refusal.isNews ? exhaustedNotice(error.refusal) : null;
  return codeOf(error) === 'ERR_GUARDRAIL_BLOCKED' ? blockedNotice : null;
}
