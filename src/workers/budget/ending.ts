import { setTimeout as delay } from 'node:timers/promises';
import { SallyportError } from '../../core/errors.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { Meter } from '../../core/meter.ts';
import { BudgetExhausted } from './exhausted.ts';

/** How a run, or a part of it, comes to its end. */
export interface Ending {
  readonly signal: AbortSignal;
  /** The first reason for which it was stopped. */
  readonly reason: SallyportError | undefined;
  stop(why: SallyportError): void;
  /**
   * Throws why it ended, later each time: an agent that catches refusals and goes on must not keep the process busy, and
   * what it cleans up must still run.
   */
  refuse(): Promise<never>;
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
    refuse: createRefusal(controller.signal),
    end: () => controller.abort(new SallyportError('ERR_AGENT_FAILED', 'the run is over')),
  };
}

/** The first further call is refused after so many ms, each one after twice as many. */
const REFUSE_MS = 10;
/** The longest time a timer takes (2^31 - 1 ms). */
const LONGEST_MS = 2_147_483_647;

function createRefusal(signal: AbortSignal): () => Promise<never> {
  let waitMs = REFUSE_MS;
  return async () => {
    await delay(waitMs, undefined, { ref: false });
    waitMs = Math.min(2 * waitMs, LONGEST_MS);
    throw signal.reason;
  };
}

/** A part that ends alone when its own `account` is used up, and together with the whole in every other case. */
export function endingOfPart(whole: Ending, account: string): Ending {
  // Never released: the whole ends with the run, and its signal is aborted then.
  const { signal, abort } = linkSignals([whole.signal]);
  return {
    signal,
    refuse: createRefusal(signal),
    get reason() {
      return whole.reason;
    },
    stop(why) {
      if (why instanceof BudgetExhausted && why.refusal.limit.account === account) abort(why);
      else whole.stop(why);
    },
    end: () => whole.end(),
  };
}
