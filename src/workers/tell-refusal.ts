import type { EventRecord } from '../core/event.ts';
import type { Logger } from '../core/logger.ts';
import type { HeldLease } from '../queue/lease.ts';
import { type BudgetExhausted, exhaustedNotice } from './budget/exhausted.ts';
import { NOTICE_STEP, type ReplyDeps, replyOnce } from './reply-once.ts';

export interface TellDeps extends ReplyDeps {
  readonly logger: Logger;
  /** The lease's and the shutdown's. */
  readonly signal: AbortSignal;
}

/**
 * Tells whoever asked that the budget does not allow an answer, once per person, limit and window. Never throws: the
 * refusal stands whether or not anybody hears of it.
 */
export async function tellRefusal(
  { refusal }: BudgetExhausted,
  record: EventRecord,
  lease: HeldLease,
  deps: TellDeps,
): Promise<void> {
  if (!refusal.isNews) return;
  try {
    const recorded = await deps.journal.replay(lease);
    const text = exhaustedNotice(refusal);
    await replyOnce(
      { record, lease, step: NOTICE_STEP, text, earlier: (step: string) => recorded.get(step), signal: deps.signal },
      deps,
    );
  } catch (error) {
    deps.logger.warn({ eventId: record.event.id, error }, 'budget.refusal-untold');
  }
}
