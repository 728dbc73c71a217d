import type { BudgetLimits } from '../../src/core/budget.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { type LogFields, type Logger, silentLogger } from '../../src/core/logger.ts';
import { type Meter, silentMeter } from '../../src/core/meter.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import type { Journal } from '../../src/queue/journal.ts';
import type { HeldLease } from '../../src/queue/lease.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { type AttemptTrail, createTrail } from '../../src/workers/audit-trail.ts';
import type { OpenBudget } from '../../src/workers/budget/run-budget.ts';
import type { Guardrail } from '../../src/workers/guardrails/guardrail.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import { openSteps, type Steps } from '../../src/workers/steps.ts';
import { createToolbox } from '../../src/workers/tools/create-toolbox.ts';
import type { Tool } from '../../src/workers/tools/tool.ts';
import type { Toolbox, ToolboxDeps } from '../../src/workers/tools/toolbox.ts';
import { acceptOne, takeHead } from '../contracts/harness.ts';
import { budgetsOver, countedOnly } from './budget.ts';
import { createFakeClock } from './clock.ts';
import { conversationOf, createEventMaker } from './events.ts';

export const scrub = createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(3) });

/** Every kind of token the scrubber knows has one in the fixtures; this is one of them. */
export const SECRET = `ghp_${'aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3bC5'.slice(0, 36)}`;

export interface Noted {
  readonly lines: { readonly name: string; readonly fields: LogFields }[];
  readonly calls: string[];
  readonly acted: string[];
  readonly logger: Logger;
  readonly meter: Meter;
}

/** Keeps what was logged and counted. */
export function noted(): Noted {
  const lines: Noted['lines'] = [];
  const calls: string[] = [];
  const acted: string[] = [];
  const note = (fields: LogFields, name: string): void => void lines.push({ name, fields });
  return {
    lines,
    calls,
    acted,
    logger: { debug: note, info: note, warn: note, error: note },
    meter: {
      ...silentMeter,
      toolCalled: (tool, outcome) => calls.push(`${tool} ${outcome}`),
      guardrailActed: (guardrail, stage, verdict) => acted.push(`${guardrail} ${stage} ${verdict}`),
    },
  };
}

export interface ToolAttempt {
  readonly toolbox: Toolbox;
  readonly steps: Steps;
  readonly trail: AttemptTrail;
  readonly budget: OpenBudget;
  readonly abort: (reason?: unknown) => void;
}

export interface ToolRun extends Noted {
  readonly eventId: string;
  /** Another attempt at the same event: a new lease, the same journal. */
  attempt(tools: readonly Tool[], overrides?: AttemptOptions): Promise<ToolAttempt>;
  close(): Promise<void>;
}

export interface AttemptOptions extends Partial<Pick<ToolboxDeps, 'fetch' | 'maxCalls' | 'instructions'>> {
  /** Default: every tool. */
  readonly allowed?: readonly string[];
  readonly guardrails?: readonly Guardrail[];
  readonly limits?: BudgetLimits;
  /** In place of the store's own. */
  readonly journal?: (journal: Journal) => Journal;
}

const noFetch: typeof globalThis.fetch = async () => {
  throw new Error('no network in this test');
};

/** One event over a real store, whose attempts can call tools. */
export async function openToolRun(folder: string): Promise<ToolRun> {
  const clock = createFakeClock();
  const options = { path: `${folder}/store.db`, limits: defaultLimits, idCheck: 'check', logger: silentLogger };
  const store: Store = await openEmbeddedStore({ ...options, clock: clock.now });
  const event = await acceptOne(store, createEventMaker(clock.now)());
  const notes = noted();
  const opened: OpenBudget[] = [];
  let lease: HeldLease | undefined;

  async function take(): Promise<{ record: EventRecord; lease: HeldLease }> {
    if (lease !== undefined) clock.advance(10 * 60_000);
    const head = await takeHead(store, conversationOf(event));
    lease = head.lease;
    return head;
  }

  return {
    ...notes,
    eventId: event.id,
    async attempt(
      tools,
      { allowed, guardrails = [], limits = countedOnly, journal = (own: Journal) => own, ...overrides } = {},
    ) {
      const head = await take();
      const budget = await budgetsOver(store, { limits })({ record: head.record, event, isFree: false });
      opened.push(budget);
      const controller = new AbortController();
      const steps = await openSteps({ journal: journal(store.journal), lease: head.lease, clock: clock.now });
      const trail = createTrail();
      const toolbox = createToolbox({
        tools,
        allowed: new Set(allowed ?? tools.map(({ name }) => name)),
        steps,
        trail,
        budget: budget.run,
        signal: controller.signal,
        scrub,
        guardrails: createGuardrails(guardrails, notes),
        fetch: noFetch,
        tenant: event.tenant,
        agent: 'assistant',
        eventId: event.id,
        ...notes,
        ...overrides,
      });
      return { toolbox, steps, trail, budget, abort: (reason) => controller.abort(reason) };
    },
    async close() {
      for (const budget of opened) await budget.close();
      await store.close();
    },
  };
}
