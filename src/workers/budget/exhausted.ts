import { SallyportError } from '../../core/errors.ts';
import type { Exhausted } from '../../queue/ledger.ts';
import type { BudgetPolicy } from './budget.ts';

/** A limit does not allow what a run asked for. */
export class BudgetExhausted extends SallyportError {
  readonly refusal: Exhausted;
  /** What the tenant's policy does with the event. */
  readonly next: BudgetPolicy['onExhausted'];

  constructor(refusal: Exhausted, next: BudgetPolicy['onExhausted']) {
    super('ERR_BUDGET_EXHAUSTED', `the ${refusal.limit.resource} of the ${refusal.limit.scope} are used up`);
    this.refusal = refusal;
    this.next = next;
  }
}

/** What the person who asked is told, once per window. It names no figure: those are the operator's business. */
export function exhaustedNotice({ limit, resetsAt }: Exhausted): string {
  if (limit.scope === 'run') return 'Sorry, this took more than I may use for one request, so I stopped.';
  const whose = limit.scope === 'user' ? 'Your' : 'The';
  const until = resetsAt === null ? '' : ` It starts again at ${clockTime(resetsAt)} UTC.`;
  return `Sorry, I cannot answer now. ${whose} budget for this ${limit.window} is used up.${until}`;
}

/** `2026-11-21 17:00` */
const clockTime = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');
