import type { Replier, ReplyContext, ReplyResult } from '../channels/channel.ts';
import { SallyportError } from '../core/errors.ts';
import type { EventRecord, RunReply } from '../core/event.ts';
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
  readonly text: string;
  /** What earlier attempts recorded of this step. */
  readonly earlier: JournalEntry | undefined;
  readonly signal: AbortSignal;
}

/**
 * Posts the reply, at most once over all attempts: intent before, result after, and an intent without a result is asked
 * about at the vendor. @throws SallyportError ERR_LEASE_LOST, ERR_REPLY_UNCONFIRMED (the next attempt asks),
 * ERR_AMBIGUOUS_EFFECT (the vendor could not say), or what the replier threw.
 */
export async function replyOnce(task: ReplyTask, deps: ReplyDeps): Promise<RunReply> {
  const { lease, step, text, earlier, signal } = task;
  if (earlier?.kind === 'result') return { text, state: 'delivered' };
  const context = replyContext(task, AbortSignal.any([signal, AbortSignal.timeout(deps.timeoutMs)]));
  if (earlier?.kind === 'intent') {
    const found = await deps.replier.find(context, earlier.at);
    if (found === 'unknown') throw ambiguous();
    if (found === 'delivered') return delivered(task, deps);
  }
  // Half as long again as the call may take: by then its worker has noticed that it is over, alive or not.
  const holdMs = deps.timeoutMs * 1.5;
  if (!(await deps.journal.record(lease, step, { kind: 'intent', value: { text } }, holdMs))) throw leaseLost();
  if (signal.aborted) throw leaseLost();
  const result = await sendOrTakeBack(task, context, deps);
  if (result.kind === 'ambiguous') throw unconfirmed();
  return result.kind === 'unsent' ? { text, state: 'unsent' } : delivered(task, deps);
}

/** A refusal is a result as well: without it the next attempt would have to ask about a reply nobody took. */
async function sendOrTakeBack(
  { lease, step, text }: ReplyTask,
  context: ReplyContext,
  deps: ReplyDeps,
): Promise<ReplyResult> {
  try {
    return await deps.replier.send({ text }, context);
  } catch (error) {
    await deps.journal.record(lease, step, { kind: 'refused', value: { text } }, 0);
    throw error;
  }
}

async function delivered({ lease, step, text }: ReplyTask, { journal }: ReplyDeps): Promise<RunReply> {
  await journal.record(lease, step, { kind: 'result', value: { text } }, 0);
  return { text, state: 'delivered' };
}

function replyContext({ record: { event }, step }: ReplyTask, signal: AbortSignal): ReplyContext {
  const { tenant, id: eventId, destination, sealed } = event;
  const replyId = step === REPLY_STEP ? eventId : `${eventId}-${step}`;
  return { tenant, eventId, destination, sealed, replyId, signal };
}

const leaseLost = (): SallyportError => new SallyportError('ERR_LEASE_LOST', 'another worker has the conversation');
const unconfirmed = (): SallyportError =>
  new SallyportError('ERR_REPLY_UNCONFIRMED', 'the vendor did not say whether it took the reply');
const ambiguous = (): SallyportError =>
  new SallyportError('ERR_AMBIGUOUS_EFFECT', 'the vendor may or may not have the reply');
