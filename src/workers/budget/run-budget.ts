import { type Limits, narrowest } from '../../core/budget.ts';
import { SallyportError } from '../../core/errors.ts';
import type { EventRecord, InboundEvent } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import { accountLimits, accountOf, type Spender } from '../../queue/accounts.ts';
import type { Ledger } from '../../queue/ledger.ts';
import type { RunBudget } from './budget.ts';
import { createEnding } from './ending.ts';
import type { KillWatch } from './kill-watch.ts';
import type { PolicyOf } from './policy.ts';
import type { PriceOf } from './prices.ts';
import { createPurse } from './purse.ts';
import { startRun } from './run-seconds.ts';
import { spendable } from './spendable.ts';

export interface RunBudgetDeps {
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
}

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
export async function createRunBudget(spending: Spending, deps: RunBudgetDeps): Promise<OpenBudget> {
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
