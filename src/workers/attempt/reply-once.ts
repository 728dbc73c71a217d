import { setTimeout as delay } from 'node:timers/promises';
import type { PostCall, Replier, ReplyContext, ReplyResult } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, SallyportError } from '../../core/errors.ts';
import type { EventRecord, InboundEvent, RunReply } from '../../core/event.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json/json-text.ts';
import { type LinkedSignal, linkSignals } from '../../core/linked-signal.ts';
import { START_MS, settleMs } from '../../core/reply-timing.ts';
import { type Journal, type JournalEntry, REPLY_STEP } from '../../queue/journal.ts';
import type { HeldLease } from '../../queue/lease.ts';

/** The journal's step for the one word that there will be no reply. */
export const NOTICE_STEP = 'notice';

export interface ReplyTask {
  readonly record: EventRecord;
  readonly lease: HeldLease;
  readonly step: typeof REPLY_STEP | typeof NOTICE_STEP;
  /** What the agent said. */
  readonly text: string;
  /** `ReplyMessage.disclosure`: of the last message. */
  readonly disclosure?: string | undefined;
  /** What was recorded of a step so far. */
  readonly earlier: (step: string) => JournalEntry | undefined;
  readonly signal: AbortSignal;
}

/** One message of a reply. */
interface Part {
  readonly step: string;
  readonly replyId: string;
  readonly text: string;
  readonly disclosure?: string;
  /** What the journal says of it. */
  readonly value: JsonObject;
}

/** A message that may have been posted, by calls that began between two times (epoch ms). */
interface Doubt {
  readonly sinceMs: number;
  readonly latestMs: number;
  /** Longest of these calls, in ms. */
  readonly limitMs: number;
}

/** An earlier attempt's call may still have its effect: the attempt ends, and the vendor is asked again in `waitMs`. */
export class ReplyUnsettled extends SallyportError {
  readonly waitMs: number;

  constructor(waitMs: number) {
    super('ERR_REPLY_UNCONFIRMED', 'the vendor may still show a reply that was posted');
    this.waitMs = waitMs;
  }
}

/**
 * Posts the reply, each of its messages at most once over all attempts and in order: intent before, result after, and an
 * intent without a result is asked about at the vendor. @throws SallyportError ERR_LEASE_LOST, ERR_REPLY_UNCONFIRMED (the
 * next attempt asks; as `ReplyUnsettled` not before some time), ERR_AMBIGUOUS_EFFECT (the vendor could not say), or what
 * the replier threw.
 */
export async function replyOnce(
  task: ReplyTask,
  {
    journal,
    replier,
    timeoutMs,
    clock,
    restoredAtMs,
  }: {
    readonly journal: Journal;
    readonly replier: Replier;
    /** Time limit of the call that posts, in ms. */
    readonly timeoutMs: number;
    readonly clock: Clock;
    /** When the store was restored from a backup (epoch ms): what its journal says is older. */
    readonly restoredAtMs?: number | undefined;
  },
): Promise<RunReply> {
  const { lease, text, disclosure, earlier, signal } = task;
  const { event } = task.record;

  const delivered = async ({ step, value }: Part): Promise<'delivered'> => {
    await journal.record(lease, step, { kind: 'result', value }, 0);
    return 'delivered';
  };

  /**
   * What makes a message doubtful: an intent without a result, or a restored store, which knows nothing of what was done
   * after its backup.
   */
  const doubtOf = (known: JournalEntry | undefined): Doubt | undefined => {
    const limitMs = Math.max(timeoutMs, limitOfIntent(known?.value));
    const isRestored = restoredAtMs !== undefined && Math.max(event.receivedAt, known?.at ?? 0) <= restoredAtMs;
    if (isRestored) return { sinceMs: event.receivedAt, latestMs: restoredAtMs, limitMs };
    return known?.kind === 'intent' ? { sinceMs: known.at, latestMs: known.at, limitMs } : undefined;
  };

  /**
   * Asks the vendor what became of a doubtful message. The time is taken before the vendor looks: only a look that begins
   * when the latest call is settled proves an absence.
   * @throws SallyportError ERR_AMBIGUOUS_EFFECT, ReplyUnsettled, or what the replier threw
   */
  const wasDelivered = async ({ sinceMs, latestMs, limitMs }: Doubt, context: ReplyContext): Promise<boolean> => {
    const ageMs = (await journal.now(lease)) - latestMs;
    const found = await replier.find(context, sinceMs);
    if (found === 'unknown') throw ambiguous();
    if (found === 'delivered') return true;
    const waitMs = settleMs(limitMs, replier.timing) - ageMs;
    if (waitMs > 0) throw new ReplyUnsettled(waitMs);
    return false;
  };

  /**
   * A refusal is recorded as well: without it the next attempt would have to ask about a reply that was never posted.
   * @throws SallyportError ERR_REPLY_UNCONFIRMED when the message may have been posted, or what the replier threw
   */
  const sendOrTakeBack = async (
    part: Part,
    context: ReplyContext,
    call: PendingCall,
  ): Promise<Exclude<ReplyResult, { kind: 'ambiguous' }>> => {
    const { step, value } = part;
    const takeBack = () => journal.record(lease, step, { kind: 'refused', value }, 0);
    let result: ReplyResult;
    try {
      result = await replier.send(
        { text: part.text, ...defined({ disclosure: part.disclosure }) },
        { ...context, begin: call.begin },
      );
    } catch (error) {
      const isRefused = !call.hasBegun() || call.refusal() !== undefined || refusals.has(codeOf(error));
      if (!isRefused) throw unconfirmed(error);
      await takeBack();
      throw call.refusal() ?? error;
    }
    if (call.refusal() !== undefined) {
      await takeBack();
      throw call.refusal();
    }
    const hasEffect = result.kind === 'delivered' || result.kind === 'ambiguous';
    if (hasEffect && !call.hasBegun()) throw new Error('the channel posted a reply without its intent');
    if (result.kind === 'ambiguous') throw unconfirmed(undefined, result.why);
    return result;
  };

  const postOnce = async (part: Part): Promise<'delivered' | 'unsent'> => {
    const limited = linkSignals([signal], { ms: timeoutMs });
    const context = replyContext(part, event, limited.signal);
    const call = createPostCall({ journal, lease, step: part.step, value: part.value, timeoutMs, clock, signal });
    try {
      const doubt = doubtOf(earlier(part.step));
      if (doubt !== undefined && (await wasDelivered(doubt, context))) return await delivered(part);
      // An intent without a call would be asked about by the next attempt.
      if (signal.aborted) throw leaseLost();
      const { kind } = await sendOrTakeBack(part, context, call);
      return kind === 'unsent' ? 'unsent' : await delivered(part);
    } finally {
      call.end();
      limited.release();
    }
  };

  let isPosting = false;
  for (const part of partsOf(task, replier)) {
    if (earlier(part.step)?.kind === 'result') continue;
    if (isPosting) await pause(replier.paceMs ?? 0, signal);
    isPosting = true;
    if ((await postOnce(part)) === 'unsent') return { text, ...defined({ disclosure }), state: 'unsent' };
  }
  return { text, ...defined({ disclosure }), state: 'delivered' };
}

/**
 * The reply as messages. How it was cut is recorded with the first: another release might cut elsewhere, and what is left
 * to post must fit what was posted.
 */
function partsOf({ record: { event }, step, text, disclosure, earlier }: ReplyTask, replier: Replier): readonly Part[] {
  const texts = recordedTexts(earlier(step), text) ?? replier.split?.(text, event.destination) ?? [text];
  const name = step === REPLY_STEP ? event.id : `${event.id}-${step}`;
  return texts.map((part, at) => ({
    step: at === 0 ? step : `${step}:${at + 1}`,
    replyId: at === 0 ? name : `${name}-${at + 1}`,
    text: part,
    ...(at === texts.length - 1 && defined({ disclosure })),
    value: {
      text: at === 0 ? text : part,
      ...(at === 0 && texts.length > 1 && { parts: [...texts] }),
      // The same in every attempt, whatever the setting is by then.
      ...(at === 0 && defined({ disclosure })),
      ...(at < texts.length - 1 && { more: true }),
    },
  }));
}

function recordedTexts(entry: JournalEntry | undefined, text: string): readonly string[] | undefined {
  // A person may have edited what was refused before.
  if (!isJsonObject(entry?.value) || entry.value.text !== text) return undefined;
  const { parts } = entry.value;
  if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) return parts;
  // Nothing was sent of what was refused, and what was sent in one message stays one.
  return entry.kind === 'refused' ? undefined : [text];
}

/** @throws SallyportError ERR_LEASE_LOST when the run has been stopped meanwhile */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {
    throw leaseLost();
  });
}

/** What `Replier.send` throws when the vendor certainly did not take the message. */
const refusals: ReadonlySet<string> = new Set(['ERR_REPLY_UNAVAILABLE', 'ERR_REPLY_REJECTED']);

function replyContext({ replyId }: Part, event: InboundEvent, signal: AbortSignal): ReplyContext {
  const { tenant, id: eventId, destination, sealed } = event;
  return { tenant, eventId, destination, sealed, replyId, signal };
}

const leaseLost = (): SallyportError => new SallyportError('ERR_LEASE_LOST', 'another worker has the conversation');
const unconfirmed = (cause?: unknown, reason?: string): SallyportError =>
  new SallyportError('ERR_REPLY_UNCONFIRMED', 'the vendor did not say whether it took the reply', {
    cause,
    ...defined({ reason }),
  });
const ambiguous = (): SallyportError =>
  new SallyportError('ERR_AMBIGUOUS_EFFECT', 'the vendor may or may not have the reply');

interface PostCallOptions {
  readonly journal: Journal;
  readonly lease: HeldLease;
  readonly step: string;
  /** What the journal keeps of the message. */
  readonly value: JsonObject;
  /** Time limit of the call, in ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The run's. */
  readonly signal: AbortSignal;
}

/** The call that posts one message, as the worker sees it. */
interface PendingCall {
  /** `SendContext.begin` */
  readonly begin: () => Promise<PostCall>;
  /** Whether the intent may have been recorded: from then on the reply may have been posted. */
  hasBegun(): boolean;
  /** Why the call could not start. Then nothing was posted, whatever the channel made of it. */
  refusal(): unknown;
  /** Takes the time limit back; must be called once the call is over. */
  end(): void;
}

/**
 * Half as long again as the call may take, and the time until it starts: by then its worker has noticed that it is over,
 * alive or not.
 */
const holdMs = (timeoutMs: number): number => START_MS + timeoutMs * 1.5;

/** The time limit of the call that an intent announced, in ms: another process may have been given another one. */
const limitOfIntent = (value: JsonValue | undefined): number =>
  isJsonObject(value) && typeof value.limitMs === 'number' ? value.limitMs : 0;

/** Records the intent, then lets one call start within `START_MS` of it and last no longer than its time limit. */
function createPostCall({ journal, lease, step, value, timeoutMs, clock, signal }: PostCallOptions): PendingCall {
  let limit: LinkedSignal | undefined;
  let begunAt: { readonly wall: number; readonly monotonic: number } | undefined;
  let hasPassed = false;
  let refusal: unknown;

  // Taken before the intent is recorded, so that it is never younger than the intent. The wall clock sees the time for
  // which the machine was suspended, the monotonic one cannot be set back.
  const elapsedMs = ({ wall, monotonic }: NonNullable<typeof begunAt>): number =>
    Math.max(clock() - wall, performance.now() - monotonic);

  const fence = (): void => {
    if (begunAt === undefined || elapsedMs(begunAt) > START_MS) {
      refusal = new SallyportError('ERR_REPLY_UNAVAILABLE', 'the reply could not be posted in time after its intent');
      throw refusal;
    }
    hasPassed = true;
  };

  const record = async (): Promise<void> => {
    const isOurs = await journal.record(
      lease,
      step,
      { kind: 'intent', value: { ...value, limitMs: timeoutMs } },
      holdMs(timeoutMs),
    );
    if (!isOurs || signal.aborted) throw new SallyportError('ERR_LEASE_LOST', 'another worker has the conversation');
  };

  return {
    async begin() {
      begunAt = { wall: clock(), monotonic: performance.now() };
      await record().catch((error: unknown) => {
        refusal = error;
        throw error;
      });
      limit = linkSignals([signal], { ms: timeoutMs });
      return { signal: limit.signal, fence };
    },
    hasBegun: () => begunAt !== undefined,
    refusal: () => (hasPassed ? undefined : refusal),
    end: () => limit?.release(),
  };
}
