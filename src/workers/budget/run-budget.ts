import { setTimeout as delay } from 'node:timers/promises';
import { type Limits, limitsOf, narrowest } from '../../core/budget.ts';
import { toUtf8 } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';
import { type EventRecord, type InboundEvent, noUsage, type Usage } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import { type AccountLimit, accountLimits, accountOf, type Ledger, type Spender } from '../../queue/ledger.ts';
import type { Held, HeldCall, ModelCall, PolicyOf, Price, RunBudget, TokenUse } from './budget.ts';
import { BudgetExhausted } from './exhausted.ts';
import type { PriceOf } from './prices.ts';
import { type ChooseWorst, createPurse, type Purse, readKeptHold } from './purse.ts';
import { startRun } from './run-seconds.ts';

/** The budget of one attempt, as the worker that makes it sees it. */
export interface OpenBudget {
  /** What the agent gets. */
  readonly run: RunBudget;
  /** Why the run was stopped, whatever the agent made of it. */
  readonly stopped: SallyportError | undefined;
  /** Spends what is still reserved; nothing can be reserved after it. Never throws. */
  close(): Promise<void>;
}

export interface Spending {
  readonly record: EventRecord;
  /** The event as the agent will see it. */
  readonly event: InboundEvent;
  /** The agent costs nothing: its runs are not counted. */
  readonly isFree: boolean;
  /** The agent's own limits for a run; the narrower of these and the tenant's hold. */
  readonly limits?: Limits | undefined;
}

/**
 * Counts the run, once per generation however many attempts it takes, and opens what it may use.
 * @throws SallyportError ERR_BUDGET_EXHAUSTED, ERR_KILLED, ERR_STORE_UNAVAILABLE
 */
export async function createRunBudget(
  spending: Spending,
  deps: {
    readonly ledger: Ledger;
    readonly policyOf: PolicyOf;
    readonly priceOf: PriceOf;
    readonly kills: KillWatch;
    readonly digest: Identifier['digest'];
    readonly meter: Meter;
    readonly logger: Logger;
    /** How long a refusal is waited out that would not stand if others gave back what they do not use, in ms. */
    readonly patienceMs: number;
    /** Longest call. If its worker dies, its worst case is spent after this time. In ms. */
    readonly callMs: number;
  },
): Promise<OpenBudget> {
  const { tenant } = spending.event;
  const policy = await deps.policyOf(tenant);
  const spender = spenderOf(spending, deps.digest);
  const run = narrowest(policy.limits.run ?? {}, spending.limits ?? {});
  const limits = accountLimits({ ...policy.limits, run }, spender);
  const ending = createEnding(deps.meter);
  const tell = { listener: accountOf.user(spender), teller: accountOf.run(spender) };
  const { onExhausted } = policy;
  const purse = createPurse({ ...deps, tenant, tell, onExhausted, signal: ending.signal, stop: ending.stop });
  const unwatch = deps.kills.onKill(tenant, () => ending.stop(killed()));
  const onOver = (why: unknown): void => ending.stop(why instanceof SallyportError ? why : secondsOver());
  try {
    const { isFree } = spending;
    const clock = await startRun({ purse, limits, account: accountOf.run(spender), isFree, onOver });
    return {
      run: spendable({ purse, limits, spender, ending, priceOf: deps.priceOf, callMs: deps.callMs }),
      get stopped() {
        return ending.reason;
      },
      async close() {
        unwatch();
        ending.end();
        await Promise.all([purse.close(), clock.stop()]);
      },
    };
  } catch (error) {
    unwatch();
    if (error instanceof SallyportError) ending.stop(error);
    throw ending.reason ?? error;
  }
}

function spenderOf({ record, event }: Spending, digest: Identifier['digest']): Spender {
  const { tenant, channel, author, conversation, id } = event;
  return {
    tenant,
    channel,
    user: digest('budget-user', [tenant, channel, author.id]),
    conversation: conversation.key,
    run: `${id}:${record.generation}`,
  };
}

const killed = (): SallyportError => new SallyportError('ERR_KILLED', 'the kill switch is on');
const secondsOver = (): SallyportError => new SallyportError('ERR_AGENT_TIMEOUT', 'the run took too long');

interface SpendableDeps {
  readonly purse: Purse;
  readonly limits: readonly AccountLimit[];
  readonly spender: Spender;
  readonly ending: Ending;
  readonly priceOf: PriceOf;
  readonly callMs: number;
}

/** What an agent may use of a purse. */
function spendable(deps: SpendableDeps): RunBudget {
  const { purse, limits, spender, ending, priceOf, callMs } = deps;
  const { signal } = ending;

  async function hold(worst: Partial<Usage>, forMs = callMs, choose?: ChooseWorst): Promise<Held> {
    if (signal.aborted) return ending.refuse();
    return purse.hold(worst, limits, forMs, choose);
  }
  /** Whatever refuses ends the run, so that an agent cannot catch it and go on. */
  async function orStop<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof SallyportError) ending.stop(error);
      throw error;
    }
  }

  return {
    signal,
    get usage() {
      return purse.usage;
    },
    reserve: (worst, forMs) => orStop(hold(worst, forMs)),
    resume(value) {
      const kept = readKeptHold(value);
      return kept === null ? null : purse.resume(kept, limits);
    },
    reserveCall: (call) => orStop(holdCall(call, priceOf, (worst, choose) => hold(worst, callMs, choose))),
    slice(name, most) {
      const part = { ...spender, run: `${spender.run}/${name}` };
      const account = accountOf.run(part);
      const shares = Object.fromEntries(Object.entries(most).map(([resource, max]) => [resource, { run: max }]));
      const own = limitsOf(shares).map((limit) => ({ ...limit, scope: 'run' as const, account }));
      return spendable({ ...deps, limits: [...own, ...limits], spender: part, ending: endingOfPart(ending, account) });
    },
  };
}

/** Reserves a model call's worst case. @throws SallyportError ERR_PRICE_UNKNOWN, or what `hold` throws */
async function holdCall(
  { model, provider, input, attachedTokens = 0, maxOutputTokens, minOutputTokens }: ModelCall,
  priceOf: PriceOf,
  hold: (worst: Usage, choose: ChooseWorst | undefined) => Promise<Held>,
): Promise<HeldCall> {
  const price = await priceOf(model, provider);
  if (price === null) throw new SallyportError('ERR_PRICE_UNKNOWN', 'nobody knows what the model costs');
  const inputTokens = inputTokensAtMost(input) + attachedTokens;
  const worstOf = (outputTokens: number): Usage => ({
    ...noUsage,
    usdMicros: price.worst(inputTokens, outputTokens),
    inputTokens,
    outputTokens,
    modelCalls: 1,
  });
  const choose = minOutputTokens === undefined ? undefined : longest(worstOf, minOutputTokens, maxOutputTokens);
  const held = await hold(worstOf(maxOutputTokens), choose);
  return {
    maxOutputTokens: held.worst.outputTokens,
    settle: (use) => held.settle(use === undefined ? {} : usageOf(use, price)),
    refused: () => held.settle({ usdMicros: 0, inputTokens: 0, outputTokens: 0 }),
  };
}

/** Finds the longest answer that may be paid, from `min` to `max` tokens. A longer answer never costs less. */
const longest =
  (worstOf: (outputTokens: number) => Usage, min: number, max: number): ChooseWorst =>
  (fits) => {
    if (!fits(worstOf(min))) return { worst: worstOf(min), isEnough: false };
    let [most, tooMany] = [min, max + 1];
    while (tooMany - most > 1) {
      const middle = Math.floor((most + tooMany) / 2);
      if (fits(worstOf(middle))) most = middle;
      else tooMany = middle;
    }
    return { worst: worstOf(most), isEnough: true };
  };

/** What the price list cannot make sense of is left out, so that the worst case stands. */
function usageOf(use: TokenUse, price: Price): Partial<Usage> {
  const usdMicros = price.cost(use);
  return {
    inputTokens: use.input,
    outputTokens: use.output,
    ...(usdMicros !== null && { usdMicros }),
  };
}

/**
 * What a vendor adds to the input that we do not see: role markers, its own words about tools (Anthropic: up to 804
 * tokens for a tool choice, docs.claude.com "tool use" pricing), the start of the answer.
 */
const OVERHEAD_TOKENS = 1_024;

/** What a tokenizer may turn a text into before it looks at it. */
const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

/**
 * The most tokens a text can be. Every tokenizer in use falls back to bytes, so no token is shorter than one byte of
 * UTF-8; those that normalise first (SentencePiece does) may see a longer text: one U+FDFA becomes 18 letters. Four
 * characters a token, the usual guess, is wrong by a factor of twelve for Thai or emoji.
 */
export function inputTokensAtMost(text: string): number {
  const asSent = toUtf8(text).length;
  // Only ASCII has as many bytes as characters, and no form changes it.
  if (asSent === text.length) return OVERHEAD_TOKENS + asSent;
  return OVERHEAD_TOKENS + Math.max(asSent, ...forms.map((form) => toUtf8(text.normalize(form)).length));
}

/** How a run, or a part of it, comes to its end. */
interface Ending {
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

function createEnding(meter: Meter): Ending {
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
function endingOfPart(whole: Ending, account: string): Ending {
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

/** Sees kill switches that are turned on anywhere. */
export interface KillWatch {
  /** Calls `stop` once when the tenant's switch is on. Returns what ends the watching. */
  onKill(tenant: string, stop: () => void): () => void;
  close(): void;
}

/** What runs must end within 1 s of the switch: two looks that just miss it, and what a look takes. */
const EVERY_MS = 250;

/**
 * Looks every `everyMs`. A look that fails is no reason to stop: what runs has reserved its worst case, nothing new can
 * be reserved without the ledger, and a worker cut off from it loses its lease.
 */
export function watchKills(ledger: Ledger, logger: Logger, everyMs = EVERY_MS): KillWatch {
  const runs = new Map<string, Set<() => void>>();
  let isBlind = false;
  let isClosed = false;
  let timer: ReturnType<typeof setTimeout>;

  async function look(): Promise<void> {
    try {
      for (const tenant of await ledger.killed()) for (const stop of runs.get(tenant) ?? []) stop();
      isBlind = false;
    } catch (error) {
      if (!isBlind && !isClosed) logger.warn({ error }, 'kill-switch.unreadable');
      isBlind = true;
    }
    if (!isClosed) schedule();
  }
  function schedule(): void {
    timer = setTimeout(() => void look(), everyMs);
    timer.unref();
  }
  schedule();

  return {
    onKill(tenant, stop) {
      const stops = runs.get(tenant) ?? new Set();
      runs.set(tenant, stops.add(stop));
      return () => {
        stops.delete(stop);
        if (stops.size === 0 && runs.get(tenant) === stops) runs.delete(tenant);
      };
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
