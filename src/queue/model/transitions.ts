import { defined } from '../../core/defined.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { type EventRecord, type EventState, type HeldReply, noUsage, type Run } from '../../core/event.ts';
import type { JsonValue } from '../../core/json/json-text.ts';
import type { Callback, CalledBack } from '../callbacks.ts';
import type { EffectOutcome, Resolved, Transition } from '../events.ts';
import { hasMore, type JournalEntry, replyTextOf } from '../journal.ts';
import type { Outcome } from '../lease.ts';
import type { ReviewAction, Reviewed } from '../reviews.ts';
import type { StoreLimits } from '../store.ts';

/*
 * What happens to an event, as pure functions. The embedded driver calls them inside its transactions; the Redis driver
 * has to say the same in Lua, and test/contracts/transitions.contract.ts compares the two.
 */

/** The part of an event that transitions change. Each driver stores it in its own shape. */
export interface Progress {
  readonly state: EventState;
  readonly generation: number;
  readonly attempts: number;
  /** Epoch ms from which age counts. */
  readonly eligibleAt: number;
  /** Sum of this generation's back-off waits, in ms. */
  readonly waitedMs: number;
  readonly runs: readonly Run[];
  readonly failure: ErrorCode | null;
  /** The latest held reply, decided about or not. */
  readonly review: HeldReply | null;
}

/** A store's answer that changes the event, with the event as it is to be stored. */
type Changed<Answer extends { readonly kind: string }> =
  | Exclude<Answer, { readonly record: EventRecord } | { readonly kind: 'not_found' }>
  | { readonly kind: Extract<Answer, { readonly record: EventRecord }>['kind']; readonly event: Progress };

/** Whether an event in this state has a place in its conversation's queue. */
export const isInLine = (state: EventState): boolean =>
  state === 'queued' || state === 'running' || state === 'waiting';

/** Whether nothing more happens by itself to an event in this state; what `Jobs.awaitResult` waits for. */
export const isAtRest = (state: EventState): boolean => !isInLine(state);

/**
 * Heads that one call ends without running them, so that a long line of expired events does not hold up everybody else.
 * The rest follows under a new wake.
 */
export const MAX_SKIPPED = 100;

export interface Claim {
  /** `run`: the head is leased. `skip`: it has left the line, parked (with `failure`) or expired. */
  readonly kind: 'run' | 'skip';
  readonly event: Progress;
}

/**
 * What becomes of a head that nobody holds when its turn comes. Attempts count before age: what has been begun may have
 * had effects, so a person has to see it (`parked`), while `expired` would let retention remove it unseen.
 */
export function claimHead(head: Progress, limits: StoreLimits, now: number): Claim {
  const event = closeRun(head, { outcome: 'lost' }, now);
  if (event.attempts >= limits.maxAttempts) return { kind: 'skip', event: parked(event, 'ERR_ATTEMPTS_EXHAUSTED') };
  if (now - event.eligibleAt > limits.maxAgeMs) return { kind: 'skip', event: { ...event, state: 'expired' } };
  const runs: readonly Run[] = [...event.runs, { startedAt: now, outcome: 'running', usage: noUsage }];
  return { kind: 'run', event: { ...event, state: 'running', attempts: event.attempts + 1, runs } };
}

/** How long the conversation waits after an attempt that ended so, in whole ms; 0 when its turn goes on at once. */
export const delayAfter = (outcome: Outcome): number =>
  'delayMs' in outcome ? Math.max(0, Math.ceil(outcome.delayMs)) : 0;

export interface Ended {
  readonly event: Progress;
  /** Whole ms until the conversation may be taken again; 0: at once. */
  readonly delayMs: number;
  /** The store parked it: no worker writes that into the audit. */
  readonly isUnasked: boolean;
}

/** What an attempt's outcome makes of its event. `isCalledBack`: what a `wait` waits for is in the journal by now. */
export function endAttempt(head: Progress, outcome: Outcome, isCalledBack: boolean, limits: StoreLimits): Ended {
  const event = withLastRun(head, outcome.run);
  const asked = (next: Progress): Ended => ({ event: next, delayMs: 0, isUnasked: false });
  const unasked = (code: ErrorCode): Ended => ({ event: parked(event, code), delayMs: 0, isUnasked: true });
  const delayMs = delayAfter(outcome);
  switch (outcome.kind) {
    case 'done':
    case 'ignored':
      return asked({ ...event, state: outcome.kind });
    case 'parked':
      return asked(parked(event, outcome.code));
    case 'review':
      return asked({ ...event, state: 'review', review: outcome.review });
    case 'released':
      return asked({ ...event, state: 'queued', attempts: event.attempts - 1 });
    case 'wait':
      return {
        event: { ...event, state: 'waiting', attempts: event.attempts - 1 },
        delayMs: isCalledBack ? 0 : delayMs,
        isUnasked: false,
      };
    case 'retry': {
      const waitedMs = event.waitedMs + delayMs;
      if (event.attempts >= limits.maxAttempts) return unasked('ERR_ATTEMPTS_EXHAUSTED');
      if (waitedMs > limits.maxBackoffMs) return unasked('ERR_BACKOFF_EXHAUSTED');
      return { event: { ...event, state: 'waiting', waitedMs }, delayMs, isUnasked: false };
    }
  }
}

/** `Events.park` */
export function parkByOperator(
  event: Progress,
  now: number,
): Changed<Extract<Transition, { kind: 'ok' | 'wrong_state' }>> {
  if (!isInLine(event.state)) return { kind: 'wrong_state', state: event.state };
  const code = 'ERR_PARKED_BY_OPERATOR';
  return { kind: 'ok', event: parked(closeRun(event, { outcome: 'parked', code }, now), code) };
}

/**
 * `Events.redrive`. An unsettled effect is named before a delivered reply: settling it is something the operator can do.
 */
export function redrive(event: Progress, now: number): Changed<Transition> {
  if (event.state !== 'parked') return { kind: 'wrong_state', state: event.state };
  if (event.failure === 'ERR_AMBIGUOUS_EFFECT') return { kind: 'ambiguous' };
  if (event.runs.some(({ reply }) => reply?.state === 'delivered')) return { kind: 'reply_delivered' };
  return { kind: 'ok', event: { ...requeued(event, now), generation: event.generation + 1, failure: null } };
}

/** `Reviews.decide` */
export function decideReview(event: Progress, digest: string, action: ReviewAction, now: number): Changed<Reviewed> {
  const { state, review: held } = event;
  if (state !== 'review' || held === null) return { kind: 'wrong_state', state };
  if (now >= held.expiresAt) return { kind: 'expired', event: expiredReview(event) };
  if (held.digest !== digest) return { kind: 'changed' };
  const review = afterAction(held, action);
  switch (action.kind) {
    case 'edit':
      return { kind: 'ok', event: { ...event, review } };
    case 'approve':
      return { kind: 'ok', event: { ...requeued(event, now), review } };
    case 'reject': {
      const last = event.runs.at(-1);
      const ended = last === undefined ? event : withLastRun(event, rejectedRun(last));
      return { kind: 'ok', event: { ...ended, state: 'done', review } };
    }
  }
}

/** A held reply about which nobody decided in time. */
export const expiredReview = (event: Progress): Progress => parked(event, 'ERR_REVIEW_EXPIRED');

/** `Events.resolve`. `entry` is the journal's for the step; with `ok` its kind becomes `result` or `refused`. */
export function resolveEffect(
  event: Progress,
  step: string,
  entry: Pick<JournalEntry, 'kind' | 'value'> | undefined,
  outcome: EffectOutcome,
): Changed<Resolved> {
  if (event.state !== 'parked' || event.failure !== 'ERR_AMBIGUOUS_EFFECT') {
    return { kind: 'wrong_state', state: event.state };
  }
  if (entry?.kind !== 'intent') return { kind: 'no_effect' };
  if (outcome === 'not_delivered' || hasMore(entry)) {
    return { kind: 'ok', event: { ...event, failure: 'ERR_EFFECT_NOT_DELIVERED' } };
  }
  const run = deliveredRun(event, replyTextOf(step, entry));
  const delivered = run === undefined ? event : withLastRun(event, run);
  return { kind: 'ok', event: { ...delivered, state: 'done', failure: null } };
}

/** `Callbacks.accept`. `earlier` is what the journal has for its step, as JSON. A callback changes no event by itself. */
export function callBack(
  { state, generation }: Pick<Progress, 'state' | 'generation'>,
  callback: Callback,
  earlier: string | undefined,
): Exclude<CalledBack, { kind: 'not_found' }> {
  if (earlier !== undefined) return { kind: earlier === callbackJson(callback.value) ? 'duplicate' : 'conflict' };
  if (!isInLine(state) || generation !== callback.generation) return { kind: 'over', state };
  return { kind: 'accepted' };
}

/** A callback's value as it is stored and compared. */
export const callbackJson = (value: JsonValue): string => JSON.stringify(value);

/** What an action makes of a held reply. */
export function afterAction(held: HeldReply, action: ReviewAction): HeldReply {
  switch (action.kind) {
    case 'edit':
      return { ...held, text: action.text, digest: action.digest, version: held.version + 1, editedBy: action.by };
    case 'approve':
      return { ...held, decision: { kind: 'approved', by: action.by, at: action.at } };
    case 'reject': {
      const { by, at, reason } = action;
      return { ...held, decision: { kind: 'rejected', by, at, ...defined({ reason }) } };
    }
  }
}

/** The run that ended with a reply nobody will send. */
export const rejectedRun = ({ reply, ...run }: Run): Run => ({
  ...run,
  outcome: 'rejected',
  ...(reply !== undefined && { reply: { ...reply, state: 'rejected' } }),
});

/** The latest run of an event whose reply was delivered after all; undefined when that changes no run. */
export function deliveredRun({ runs }: Pick<Progress, 'runs'>, text: string | undefined): Run | undefined {
  const last = runs.at(-1);
  return text === undefined ? undefined : last && { ...last, reply: { text, state: 'delivered' } };
}

const parked = (event: Progress, failure: ErrorCode): Progress => ({ ...event, state: 'parked', failure });

/** Age, attempts and waits count from now. */
const requeued = (event: Progress, now: number): Progress => ({
  ...event,
  state: 'queued',
  attempts: 0,
  waitedMs: 0,
  eligibleAt: now,
});

const withLastRun = (event: Progress, run: Run): Progress => ({ ...event, runs: [...event.runs.slice(0, -1), run] });

/** Ends a run whose worker will not report; `now` is when that became known. */
export function closeRun(event: Progress, end: Pick<Run, 'outcome' | 'code'>, now: number): Progress {
  const last = event.runs.at(-1);
  return last?.outcome === 'running' ? withLastRun(event, { ...last, ...end, finishedAt: now }) : event;
}
