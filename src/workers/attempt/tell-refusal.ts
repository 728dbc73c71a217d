import { codeOf } from '../../core/errors.ts';
import type { EventRecord } from '../../core/event.ts';
import type { Logger } from '../../core/logger.ts';
import type { HeldLease } from '../../queue/lease.ts';
import { BudgetExhausted, exhaustedNotice } from '../budget/exhausted.ts';
import { NOTICE_STEP, type ReplyDeps, replyOnce } from './reply-once.ts';

export interface TellDeps extends ReplyDeps {
  /** What is said of a message or reply that a guardrail blocked; null: nothing. */
  readonly blockedNotice: string | null;
  readonly logger: Logger;
  /** The lease's and the shutdown's. */
  readonly signal: AbortSignal;
}

/**
 * Tells whoever asked that there will be no answer: of a used up budget once per person, limit and window, of a block once
 * per event. Says nothing of any other failure. Never throws: the refusal stands whether or not anybody hears of it.
 */
export async function tellRefusal(
  error: unknown,
  record: EventRecord,
  lease: HeldLease,
  deps: TellDeps,
): Promise<void> {
  const text = noticeOf(error, deps);
  if (text === null) return;
  try {
    const recorded = await deps.journal.replay(lease);
    await replyOnce(
      { record, lease, step: NOTICE_STEP, text, earlier: (step: string) => recorded.get(step), signal: deps.signal },
      deps,
    );
  } catch (untold) {
    deps.logger.warn({ eventId: record.event.id, code: codeOf(error), error: untold }, 'refusal.untold');
  }
}

function noticeOf(error: unknown, { blockedNotice }: TellDeps): string | null {
  if (error instanceof BudgetExhausted) return error.refusal.isNews ? exhaustedNotice(error.refusal) : null;
  return codeOf(error) === 'ERR_GUARDRAIL_BLOCKED' ? blockedNotice : null;
}
