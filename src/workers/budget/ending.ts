import { SallyportError } from '../../core/errors.ts';
import type { Meter } from '../../core/meter.ts';
import { BudgetExhausted } from './exhausted.ts';

/** How a run, or a part of it, comes to its end. */
export interface Ending {
  readonly signal: AbortSignal;
  /** The first reason for which it was stopped. */
  readonly reason: SallyportError | undefined;
  stop(why: SallyportError): void;
  /** It is over in good order. */
  end(): void;
}

export function createEnding(meter: Meter): Ending {
  const controller = new AbortController();
  let reason: SallyportError | undefined;
  return {
    signal: controller.signal,
    get reason() {
      return reason;
    },
    stop(why) {
      if (controller.signal.aborted) return;
      reason = why;
      if (why instanceof BudgetExhausted) meter.budgetRefused(why.refusal.limit.scope);
      controller.abort(why);
    },
    end: () => controller.abort(new SallyportError('ERR_AGENT_FAILED', 'the run is over')),
  };
}

/** A part that ends alone when its own `account` is used up, and together with the whole in every other case. */
export function endingOfPart(whole: Ending, account: string): Ending {
  const own = new AbortController();
  return {
    signal: AbortSignal.any([whole.signal, own.signal]),
    get reason() {
      return whole.reason;
    },
    stop(why) {
      if (why instanceof BudgetExhausted && why.refusal.limit.account === account) own.abort(why);
      else whole.stop(why);
    },
    end: () => whole.end(),
  };
}
