import * as z from 'zod';
import { type Amounts, type Resource, resources } from '../../core/budget.ts';
import { SallyportError } from '../../core/errors.ts';
import { noUsage, type Usage } from '../../core/event.ts';
import type { JsonValue } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { AccountLimit, Ledger, Reservation } from '../../queue/ledger.ts';
import type { BudgetPolicy, Held } from './budget.ts';
import { BudgetExhausted } from './exhausted.ts';

export interface PurseDeps {
  readonly ledger: Ledger;
  readonly meter: Meter;
  readonly logger: Logger;
  readonly tenant: string;
  readonly tell: { readonly listener: string; readonly teller: string };
  readonly onExhausted: BudgetPolicy['onExhausted'];
  /** How long a refusal is waited out that would not stand if others gave back what they do not use, in ms. */
  readonly patienceMs: number;
  /** Aborted when the run must end; waiting ends with it. */
  readonly signal: AbortSignal;
  /** Ends the run. */
  readonly stop: (why: SallyportError) => void;
}

/** Between two questions while waiting, in ms. */
const ASK_AGAIN_MS = 100;

/** How often less is asked for before the refusal stands: others may have been faster each time. */
const LESS_TIMES = 5;

/** The largest worst case that may be reserved, or the least there is where not even that may be. */
export type ChooseWorst = (fits: (worst: Usage) => boolean) => { readonly worst: Usage; readonly isEnough: boolean };

/** What is asked for instead of an amount that does not fit: at once, after a wait, or for the last time. */
interface Less {
  readonly amounts: Amounts;
  readonly next: 'ask' | 'wait' | 'last';
}

/** Reserves for one run and counts what it used. */
export interface Purse {
  readonly usage: Usage;
  /** @throws BudgetExhausted, SallyportError ERR_KILLED or ERR_STORE_UNAVAILABLE, or why the run was stopped */
  reserve(
    amounts: Amounts,
    limits: readonly AccountLimit[],
    ttlMs: number,
    less?: (canWait: boolean) => Promise<Less>,
  ): Promise<Reservation>;
  /** Never throws: when the ledger is away the worst case stays. True when the worst case was spent. */
  settle(reservation: Reservation, actual: Amounts): Promise<boolean>;
  /** Reserves what is part of `Usage`; what `choose` finds where that is too much. @throws as `reserve` */
  hold(worst: Partial<Usage>, limits: readonly AccountLimit[], ttlMs: number, choose?: ChooseWorst): Promise<Held>;
  /** Takes up what an earlier attempt kept. */
  resume(kept: KeptHold, limits: readonly AccountLimit[]): Held;
  /** Spends whatever is still held. */
  close(): Promise<void>;
}

export function createPurse(deps: PurseDeps): Purse {
  const { ledger, meter, logger, tenant, signal, stop } = deps;
  const open = new Set<Held>();
  let usage = noUsage;

  async function settle(reservation: Reservation, actual: Amounts): Promise<boolean> {
    try {
      const { isLate, warnings } = await ledger.settle(reservation, actual);
      for (const warning of warnings) {
        if (!isRunCount(warning)) logger.warn({ tenant, ...warning }, 'budget.nearly-spent');
      }
      return isLate;
    } catch (error) {
      logger.warn({ tenant, error }, 'budget.settle-failed');
      return true;
    }
  }

  function book(used: Usage, limits: readonly AccountLimit[]): void {
    usage = addUsage(usage, used);
    const scopes = limits.filter(({ resource }) => resource === 'usdMicros').map(({ scope }) => scope);
    for (const scope of new Set(scopes)) meter.budgetSpent(scope, used.usdMicros);
  }

  function alarmBeyond(worst: Usage, used: Usage): void {
    const resource = firstBeyond(amountsOf(worst), amountsOf(used));
    if (resource === undefined) return;
    logger.error({ tenant, resource }, 'budget.overrun');
    stop(new SallyportError('ERR_BUDGET_OVERRUN', `a call used more ${resource} than its worst case`));
  }

  function holdOf(reservation: Reservation, worst: Usage, limits: readonly AccountLimit[]): Held {
    let settled: Promise<void> | undefined;
    const settleOnce = async (actual: Partial<Usage>): Promise<void> => {
      open.delete(held);
      const used = { ...worst, ...sensible(actual) };
      alarmBeyond(worst, used);
      const isInFull = await settle(reservation, amountsOf(used));
      book(isInFull ? atLeast(worst, used) : used, limits);
    };
    const held: Held = {
      worst,
      settle(actual) {
        settled ??= settleOnce(actual);
        return settled;
      },
      keep() {
        open.delete(held);
        return keptHold(reservation, worst);
      },
    };
    open.add(held);
    return held;
  }

  /** What fits now. Waiting is worth while if the reservations of others hold back more than half of an answer. */
  async function lessOf(choose: ChooseWorst, limits: readonly AccountLimit[], canWait: boolean) {
    const bounded = limits.filter(({ max }) => max !== 'unlimited');
    const uses = await ledger.usage(bounded);
    const fitting = (withReserved: 0 | 1) =>
      choose((worst) => {
        const amounts = amountsOf(worst);
        return bounded.every(({ resource, max }, i) => {
          const { spent = 0, reserved = 0 } = uses[i] ?? {};
          const amount = amounts[resource] ?? 0;
          return amount === 0 || amount + spent + withReserved * reserved <= Number(max);
        });
      });
    const now = fitting(1);
    const later = fitting(0);
    const isWorth = later.isEnough && (!now.isEnough || later.worst.outputTokens > 2 * now.worst.outputTokens);
    const next: Less['next'] = canWait && isWorth ? 'wait' : now.isEnough ? 'ask' : 'last';
    return { next, worst: now.worst };
  }

  const reserve = createReserve(deps);
  return {
    get usage() {
      return usage;
    },
    reserve,
    settle,
    async hold(given, limits, ttlMs, choose) {
      let worst: Usage = { ...noUsage, ...given };
      const less = async (canWait: boolean, by: ChooseWorst): Promise<Less> => {
        const { next, worst: lower } = await lessOf(by, limits, canWait);
        if (next !== 'wait') worst = lower;
        return { next, amounts: amountsOf(worst) };
      };
      const lessen = choose === undefined ? undefined : (canWait: boolean) => less(canWait, choose);
      const reservation = await reserve(amountsOf(worst), limits, ttlMs, lessen);
      const held = holdOf(reservation, worst, limits);
      if (signal.aborted) {
        await held.settle(noUsage);
        throw signal.reason;
      }
      return held;
    },
    resume: ({ reservation, worst }, limits) => holdOf(reservation, worst, limits),
    async close() {
      await Promise.all([...open].map((held) => held.settle({})));
    },
  };
}

function createReserve({ ledger, tenant, tell, onExhausted, patienceMs, signal }: PurseDeps): Purse['reserve'] {
  return async (wanted, limits, ttlMs, less) => {
    const giveUpAt = performance.now() + patienceMs;
    let amounts = wanted;
    let lessened = 0;
    // Only the last question says whom to tell, so that nobody is told of a refusal that did not last.
    let isLast = false;
    for (;;) {
      signal.throwIfAborted();
      const askedAt = performance.now();
      const request = { id: crypto.randomUUID(), tenant, amounts, limits, ttlMs, ...(isLast && { tell }) };
      const answer = await ledger.reserve(request);
      if (answer.kind === 'killed') throw new SallyportError('ERR_KILLED', 'the kill switch is on');
      if (answer.kind === 'reserved') {
        // A process that stood still in between must not begin what was given up already.
        if (performance.now() - askedAt < ttlMs) return answer.reservation;
        continue;
      }
      if (isLast || isRunCount(answer.limit)) throw new BudgetExhausted(answer, onExhausted);
      const canWait = performance.now() < giveUpAt;
      const lower = answer.mayFree && canWait ? null : await less?.(canWait);
      if (lower === null || lower?.next === 'wait') {
        await pause(ASK_AGAIN_MS, signal);
        continue;
      }
      amounts = lower?.amounts ?? amounts;
      lessened += 1;
      isLast = lower?.next !== 'ask' || lessened === LESS_TIMES;
    }
  };
}

/** That a run is counted once. Used up by nature, so nobody is warned; and waiting until it is settled changes nothing. */
const isRunCount = ({ scope, resource }: Pick<AccountLimit, 'scope' | 'resource'>): boolean =>
  scope === 'run' && resource === 'runs';

const firstBeyond = (most: Amounts, used: Amounts): Resource | undefined =>
  resources.find((resource) => (used[resource] ?? 0) > (most[resource] ?? 0));

const count = z.int().min(0);

const schema = z.object({
  v: z.literal(1),
  reservation: z.object({ id: z.string(), lines: count }),
  worst: z.object({
    usdMicros: count,
    inputTokens: count,
    outputTokens: count,
    modelCalls: count,
    toolCalls: count,
  }),
});

/** A reservation that outlives its attempt. */
interface KeptHold {
  readonly reservation: Reservation;
  readonly worst: Usage;
}

const keptHold = ({ id, lines }: Reservation, worst: Usage): JsonValue => ({
  v: 1,
  reservation: { id, lines },
  worst: { ...worst },
});

/** Null for what `keptHold` did not make. */
export const readKeptHold = (value: JsonValue): KeptHold | null => schema.safeParse(value).data ?? null;

/** Waits. @throws the signal's reason as soon as it is aborted */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stopped);
      resolve();
    }, ms);
    signal.addEventListener('abort', stopped, { once: true });
  });
}

/** What a ledger counts of a usage. */
const amountsOf = ({ inputTokens, outputTokens, usdMicros, modelCalls, toolCalls }: Usage): Amounts => ({
  usdMicros,
  tokens: inputTokens + outputTokens,
  modelCalls,
  toolCalls,
});

/** Without the figures that cannot be: what others report may be anything. */
const sensible = (reported: Partial<Usage>): Partial<Usage> =>
  Object.fromEntries(Object.entries(reported).filter(([, value]) => Number.isSafeInteger(value) && value >= 0));

const combine =
  (by: (a: number, b: number) => number) =>
  (a: Usage, b: Usage): Usage => ({
    usdMicros: by(a.usdMicros, b.usdMicros),
    inputTokens: by(a.inputTokens, b.inputTokens),
    outputTokens: by(a.outputTokens, b.outputTokens),
    modelCalls: by(a.modelCalls, b.modelCalls),
    toolCalls: by(a.toolCalls, b.toolCalls),
  });

const addUsage = combine((a, b) => a + b);
/** The greater of both, figure by figure. */
const atLeast = combine(Math.max);
/** The lesser of both: what somebody reports, bounded by what was reserved. */
export const atMost = combine(Math.min);
