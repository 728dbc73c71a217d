/**
 * A worker process that does nothing but spend: `spender-child <plan as JSON>`. Started by the ledger's fault test, killed
 * by it too. What it does it writes down before it goes on, so that its history outlives it.
 */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { generateText } from 'ai';
import type { EventRecord } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import type { Ledger } from '../../src/queue/ledger.ts';
import { openRedisStore } from '../../src/queue/redis/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import type { RunBudget } from '../../src/workers/budget/budget.ts';
import { meteredModel } from '../../src/workers/budget/metered-model.ts';
import { budgetsOver } from './budget.ts';
import { seeded } from './campaign.ts';
import { createEventMaker } from './events.ts';
import { fakeModel } from './fake-model.ts';
import type { Fact, SpenderPlan } from './spenders.ts';

const plan = JSON.parse(process.argv[2] ?? '') as SpenderPlan;
const random = seeded(plan.seed);
const log = openSync(plan.history, 'a');

/** One write is one line, whole or not at all; the clock is the machine's, the same for every process. */
function note(fact: Omit<Fact, 'at'>): void {
  writeSync(log, `${JSON.stringify({ at: Number(process.hrtime.bigint() / 1000n), ...fact })}\n`);
}

const common = { limits: defaultLimits, idCheck: 'check', logger: silentLogger };
const open = (): Promise<Store> =>
  'path' in plan.store
    ? openEmbeddedStore({ ...common, ...plan.store })
    : openRedisStore({ ...common, ...plan.store, shards: 1, minReplicas: 0, allowUnsafe: false });

/** The ledger, with everything about money written down. */
function observed(ledger: Ledger): Ledger {
  return {
    ...ledger,
    async reserve(request) {
      const micros = request.amounts.usdMicros ?? 0;
      const run = request.limits.find(({ scope }) => scope === 'run')?.account ?? '';
      if (micros > 0) note({ what: 'ask', id: request.id, run, micros });
      const answer = await ledger.reserve(request);
      if (micros > 0) note({ what: answer.kind === 'reserved' ? 'held' : 'refused', id: request.id, run, micros });
      return answer;
    },
    async settle(reservation, actual) {
      const fact = { id: reservation.id, run: '', micros: actual.usdMicros ?? 0 };
      if (actual.usdMicros !== undefined) note({ what: 'settling', ...fact });
      const answer = await ledger.settle(reservation, actual);
      if (actual.usdMicros !== undefined) note({ what: answer.isLate ? 'late' : 'settled', ...fact });
      return answer;
    },
  };
}

/** Scripts whose tokens are far shorter than four characters, and one whose are not. */
const alphabets = ['ก็สวัสดีครับ', '请把报告发给我', '분기보고서', '👩‍👩‍👧‍👦🏳️‍🌈', '﷽ﷺ', 'plain english text '];
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

/** Bills a call of random size before it answers, up to a token for each byte and all the output it was allowed. */
function vendor(run: string) {
  return fakeModel(async ({ prompt, maxOutputTokens = 0 }) => {
    const bytes = Buffer.byteLength(JSON.stringify(prompt));
    const input = Math.ceil(bytes * (0.3 + 0.7 * random()));
    const output = random() < 0.2 ? maxOutputTokens : Math.floor(maxOutputTokens * random());
    note({ what: 'billed', id: '', run, micros: input + 2 * output });
    await delay(5 + 60 * random());
    return { input, output };
  });
}

async function spend(budget: RunBudget, run: string): Promise<void> {
  const model = meteredModel(vendor(run), budget);
  for (;;) {
    const prompt = pick(alphabets).repeat(1 + Math.floor(20 * random()));
    await generateText({ model, prompt, maxOutputTokens: 20 + Math.floor(400 * random()), maxRetries: 0 });
  }
}

const store = await open();
const make = createEventMaker(Date.now);
const budgets = budgetsOver(
  { ...store, ledger: observed(store.ledger) },
  {
    limits: { global: { usdMicros: { day: plan.capMicros } }, run: { usdMicros: { run: 'unlimited' } } },
    callMs: plan.callMs,
    patienceMs: 200,
  },
);

async function attempt(id: string): Promise<void> {
  const event = make({ id, receivedAt: Date.now() });
  const record: EventRecord = {
    ...{ event, state: 'running', generation: 1, attempts: 1 },
    ...{ deliveries: 1, eligibleAt: 1, runs: [] },
  };
  const budget = await budgets({ record, event, isFree: true }).catch(() => null);
  if (budget === null) return;
  await spend(budget.run, `acme/${id}:1`).catch(() => {});
  await budget.close();
}

note({ what: 'begun', id: '', run: '', micros: 0 });
await Promise.all(plan.runs.map(attempt));
note({ what: 'ended', id: '', run: '', micros: 0 });
await store.close();
process.exit(0);
