import { setTimeout as delay } from 'node:timers/promises';
import type { Replier, ReplyContext, ReplyResult } from '../channels/channel.ts';
import { SallyportError } from '../core/errors.ts';
import type { EventRecord, RunReply } from '../core/event.ts';
import { isJsonObject, type JsonObject } from '../core/json.ts';
import { type Journal, type JournalEntry, REPLY_STEP } from '../queue/journal.ts';
import type { HeldLease } from '../queue/lease.ts';

/** The journal's step for the one word that there will be no reply. */
export const NOTICE_STEP = 'notice';

export interface ReplyDeps {
  readonly journal: Journal;
  readonly replier: Replier;
  /** Longest call to the vendor, in ms. */
  readonly timeoutMs: number;
}

export interface ReplyTask {
  readonly record: EventRecord;
  readonly lease: HeldLease;
  readonly step: typeof REPLY_STEP | typeof NOTICE_STEP;
  /** What the agent said. */
  readonly text: string;
  /** What was recorded of a step so far. */
  readonly earlier: (step: string) => JournalEntry | undefined;
  readonly signal: AbortSignal;
}

/** One message of a reply. */
interface Part {
  readonly step: string;
  readonly replyId: string;
  readonly text: string;
  /** What the journal says of it. */
  readonly value: JsonObject;
}

/**
 * Posts the reply, each of its messages at most once over all attempts and in order: intent before, result after, and an
 * intent without a result is asked about at the vendor. @throws SallyportError ERR_LEASE_LOST, ERR_REPLY_UNCONFIRMED (the
 * next attempt asks), ERR_AMBIGUOUS_EFFECT (the vendor could not say), or what the replier threw.
 */
export async function replyOnce(task: ReplyTask, deps: ReplyDeps): Promise<RunReply> {
  let isPosting = false;
  for (const part of partsOf(task, deps.replier)) {
    if (task.earlier(part.step)?.kind === 'result') continue;
    if (isPosting) await pause(deps.replier.paceMs ?? 0, task.signal);
    isPosting = true;
    if ((await postOnce(part, task, deps)) === 'unsent') return { text: task.text, state: 'unsent' };
  }
  return { text: task.text, state: 'delivered' };
}

/**
 * The reply as messages. How it was cut is recorded with the first: another release might cut elsewhere, and what is left
 * to post must fit what was posted.
 */
function partsOf({ record: { event }, step, text, earlier }: ReplyTask, replier: Replier): readonly Part[] {
  const texts = recordedTexts(earlier(step), text) ?? replier.split?.(text, event.destination) ?? [text];
  const name = step === REPLY_STEP ? event.id : `${event.id}-${step}`;
  return texts.map((part, at) => ({
    step: at === 0 ? step : `${step}:${at + 1}`,
    replyId: at === 0 ? name : `${name}-${at + 1}`,
    text: part,
    value: {
      text: at === 0 ? text : part,
      ...(at === 0 && texts.length > 1 && { parts: [...texts] }),
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

async function postOnce(part: Part, task: ReplyTask, deps: ReplyDeps): Promise<'delivered' | 'unsent'> {
  const { lease, signal } = task;
  const earlier = task.earlier(part.step);
  const context = replyContext(part, task, AbortSignal.any([signal, AbortSignal.timeout(deps.timeoutMs)]));
  if (earlier?.kind === 'intent') {
    const found = await deps.replier.find(context, earlier.at);
    if (found === 'unknown') throw ambiguous();
    if (found === 'delivered') return delivered(part, task, deps);
  }
  // An intent that nothing came of would be asked about by the next attempt.
  if (signal.aborted) throw leaseLost();
  // Half as long again as the call may take: by then its worker has noticed that it is over, alive or not.
  const holdMs = deps.timeoutMs * 1.5;
  if (!(await deps.journal.record(lease, part.step, { kind: 'intent', value: part.value }, holdMs))) throw leaseLost();
  if (signal.aborted) throw leaseLost();
  const result = await sendOrTakeBack(part, task, context, deps);
  if (result.kind === 'ambiguous') throw unconfirmed();
  return result.kind === 'unsent' ? 'unsent' : delivered(part, task, deps);
}

/** @throws SallyportError ERR_LEASE_LOST when the run has been stopped meanwhile */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {
    throw leaseLost();
  });
}

/** A refusal is a result as well: without it the next attempt would have to ask about a reply nobody took. */
async function sendOrTakeBack(
  { step, text, value }: Part,
  { lease }: ReplyTask,
  context: ReplyContext,
  deps: ReplyDeps,
): Promise<ReplyResult> {
  try {
    return await deps.replier.send({ text }, context);
  } catch (error) {
    await deps.journal.record(lease, step, { kind: 'refused', value }, 0);
    throw error;
  }
}

async function delivered({ step, value }: Part, { lease }: ReplyTask, { journal }: ReplyDeps): Promise<'delivered'> {
  await journal.record(lease, step, { kind: 'result', value }, 0);
  return 'delivered';
}

function replyContext({ replyId }: Part, { record: { event } }: ReplyTask, signal: AbortSignal): ReplyContext {
  const { tenant, id: eventId, destination, sealed } = event;
  return { tenant, eventId, destination, sealed, replyId, signal };
}

const leaseLost = (): SallyportError => new SallyportError('ERR_LEASE_LOST', 'another worker has the conversation');
const unconfirmed = (): SallyportError =>
  new SallyportError('ERR_REPLY_UNCONFIRMED', 'the vendor did not say whether it took the reply');
const ambiguous = (): SallyportError =>
  new SallyportError('ERR_AMBIGUOUS_EFFECT', 'the vendor may or may not have the reply');
