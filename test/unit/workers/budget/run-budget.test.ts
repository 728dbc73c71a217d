import { generateText } from 'ai';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogFields, Logger } from '../../../../src/core/logger.ts';
import { silentLogger } from '../../../../src/core/logger.ts';
import { silentMeter } from '../../../../src/core/meter.ts';
import type { AccountLimit } from '../../../../src/queue/ledger.ts';
import { meteredModel } from '../../../../src/workers/budget/metered-model.ts';
import { atMost } from '../../../../src/workers/budget/purse.ts';
import { type OpenBudget, type Spending, watchKills } from '../../../../src/workers/budget/run-budget.ts';
import { type BudgetOptions, budgetsOver } from '../../../support/budget.ts';
import { fakeModel } from '../../../support/fake-model.ts';
import { openSpending, type SpendingStore } from '../../../support/spending.ts';

let world: SpendingStore;
const opened: OpenBudget[] = [];
beforeEach(async () => {
  world = await openSpending();
});
afterEach(async () => {
  for (const budget of opened.splice(0)) await budget.close();
  await world.close();
});

async function open(options: BudgetOptions = {}, spending: Spending = world.spending()): Promise<OpenBudget> {
  const budget = await budgetsOver(world.store, options)(spending);
  opened.push(budget);
  return budget;
}
const codeOfOpening = (options: BudgetOptions, spending?: Spending): Promise<string> =>
  open(options, spending).then(
    () => 'opened',
    (error: { code: string }) => error.code,
  );

/** Keeps what was logged. */
function recorder(): { readonly logger: Logger; readonly lines: [string, LogFields][] } {
  const lines: [string, LogFields][] = [];
  const note = (fields: LogFields, name: string): void => void lines.push([name, fields]);
  return { lines, logger: { ...silentLogger, warn: note, error: note } };
}

describe('runs', () => {
  const limits = { user: { runs: { hour: 2 } } };

  test('are counted per user and hour', async () => {
    for (let n = 0; n < 2; n += 1) await open({ limits });
    expect(await codeOfOpening({ limits })).toBe('ERR_BUDGET_EXHAUSTED');
    const other = world.spending({ author: { id: 'U2', kind: 'user' } });
    expect(await codeOfOpening({ limits }, other)).toBe('opened');
  });

  test('are counted once per generation, however many attempts they take', async () => {
    const spending = world.spending();
    for (let attempt = 0; attempt < 4; attempt += 1) await (await open({ limits }, spending)).close();
    const redriven = { ...spending, record: { ...spending.record, generation: 2 } };
    await open({ limits }, redriven);
    expect(await codeOfOpening({ limits })).toBe('ERR_BUDGET_EXHAUSTED');
    // A further attempt at what is counted is still allowed.
    expect(await codeOfOpening({ limits }, spending)).toBe('opened');
  });

  test('of an agent that costs nothing are not counted', async () => {
    const free = { ...world.spending(), isFree: true };
    for (let n = 0; n < 5; n += 1) await open({ limits }, free);
    expect(await codeOfOpening({ limits })).toBe('opened');
  });

  test('of a person are not counted under a name that says who it is', async () => {
    await open({ limits }, world.spending({ author: { id: 'U-SECRET', kind: 'user' } }));
    const plain: AccountLimit = { scope: 'user', account: 'acme/U-SECRET', resource: 'runs', window: 'hour', max: 2 };
    expect(await world.use(plain)).toEqual({ spent: 0, reserved: 0 });
  });
});

describe('a refusal', () => {
  const limits = { run: { toolCalls: { run: 1 } } };

  test('ends the run, so that an agent that catches it cannot go on', async () => {
    const budget = await open({ limits });
    await budget.run.reserve({ toolCalls: 1 });
    await expect(budget.run.reserve({ toolCalls: 1 })).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect(budget.run.signal.aborted).toBe(true);
    await expect(budget.run.reserve({ modelCalls: 1 })).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect(budget.stopped).toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
  });

  test('is counted once by the scope whose limit it was', async () => {
    const refused: string[] = [];
    const budget = await open({ limits, meter: { ...silentMeter, budgetRefused: (scope) => refused.push(scope) } });
    await budget.run.reserve({ toolCalls: 1 });
    for (let n = 0; n < 3; n += 1) await budget.run.reserve({ toolCalls: 1 }).catch(() => {});
    expect(refused).toEqual(['run']);
  });

  test('waits for what others may give back, and no longer than it was told to', async () => {
    const day = { tenant: { usdMicros: { day: 100 } } };
    const holder = await open({ limits: day });
    const held = await holder.run.reserve({ usdMicros: 90 });
    const waiting = (await open({ limits: day, patienceMs: 60_000 })).run.reserve({ usdMicros: 50 });
    await held.settle({ usdMicros: 10 });
    await expect(waiting).resolves.toMatchObject({ worst: { usdMicros: 50 } });

    const impatient = await open({ limits: day, patienceMs: 1 });
    await expect(impatient.run.reserve({ usdMicros: 50 })).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
  });

  test('does not wait for what nobody can give back', async () => {
    const day = { tenant: { usdMicros: { day: 100 } } };
    await expect(
      (await open({ limits: day, patienceMs: 600_000 })).run.reserve({ usdMicros: 101 }),
    ).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
  });
});

describe('a limit', () => {
  test('of which 80 % are spent is logged once', async () => {
    const { lines, logger } = recorder();
    const { run } = await open({ limits: { tenant: { usdMicros: { day: 100 } } }, logger });
    for (const usdMicros of [79, 1, 1]) await (await run.reserve({ usdMicros })).settle({ usdMicros });
    const fields = { tenant: 'acme', scope: 'tenant', resource: 'usdMicros', window: 'day' };
    expect(lines).toEqual([['budget.nearly-spent', fields]]);
  });

  test('that only counts a run once is used up by nature, and warns nobody', async () => {
    const { lines, logger } = recorder();
    await (await open({ limits: { run: { seconds: { run: 60 } } }, logger })).close();
    expect(lines).toEqual([]);
  });

  test('an operator set stands over the configured one, at the latest a second later', async () => {
    let now = Date.now();
    const limits = { tenant: { usdMicros: { day: 1_000 } } };
    const budgets = budgetsOver(world.store, { limits, clock: () => now });
    const tryFor = async (usdMicros: number) => {
      const budget = await budgets(world.spending());
      opened.push(budget);
      return budget.run.reserve({ usdMicros }).then(
        (held) => held.settle({ usdMicros: 0 }).then(() => 'reserved'),
        () => 'refused',
      );
    };
    expect(await tryFor(600)).toBe('reserved');
    const { createBudgetOverrides } = await import('../../../../src/queue/records/budget-overrides.ts');
    await createBudgetOverrides(world.store.records).write('acme', 'tenant', { usdMicros: { day: 500 } });
    now += 1_000;
    expect(await tryFor(600)).toBe('refused');
  });
});

describe('the ledger being away', () => {
  test('means that nothing is called', async () => {
    const budget = await open();
    const model = fakeModel(() => ({ input: 1, output: 1 }));
    await world.store.close();
    await expect(generateText({ model: meteredModel(model, budget.run), prompt: 'hi' })).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
    });
    expect(model.doGenerateCalls).toHaveLength(0);
    expect(await codeOfOpening({})).toBe('ERR_STORE_UNAVAILABLE');
  });

  test('leaves the worst case standing when it happens before the settling', async () => {
    const { lines, logger } = recorder();
    const budget = await open({ logger });
    const held = await budget.run.reserve({ usdMicros: 100 });
    await world.store.close();
    await held.settle({ usdMicros: 1 });
    expect(budget.run.usage.usdMicros).toBe(100);
    expect(lines.map(([name]) => name)).toEqual(['budget.settle-failed']);
  });
});

describe('seconds', () => {
  const seconds = (run: OpenBudget['run']) =>
    new Promise((resolve) => run.signal.addEventListener('abort', () => resolve(run.signal.reason), { once: true }));

  test('end the run when they are over', async () => {
    const budget = await open({ limits: { run: { seconds: { run: 1 } } } });
    expect(await seconds(budget.run)).toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect(budget.stopped).toMatchObject({ refusal: { limit: { scope: 'run', resource: 'seconds' } } });
  });

  test('of a run are used by all its attempts together', async () => {
    const spending = world.spending();
    const limits = { run: { seconds: { run: 3 } } };
    const first = await open({ limits }, spending);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await first.close();
    await seconds((await open({ limits }, spending)).run);
    expect(await codeOfOpening({ limits }, spending)).toBe('ERR_BUDGET_EXHAUSTED');
  });

  test('that a worker which died had reserved do not cost its run all it has', async () => {
    const spending = world.spending();
    const limits = { run: { seconds: { run: 120 } } };
    await open({ limits }, spending);
    expect(await codeOfOpening({ limits }, spending)).toBe('opened');
  });

  test('are settled by what was used', async () => {
    const month: AccountLimit = { scope: 'tenant', account: 'acme', resource: 'seconds', window: 'month', max: 800 };
    const startedAt = performance.now();
    const budget = await open({ limits: { tenant: { seconds: { month: 800 } } } });
    expect(await world.use(month)).toEqual({ spent: 0, reserved: 60 });
    await budget.close();
    const most = Math.ceil((performance.now() - startedAt) / 1000);
    const use = await world.use(month);
    expect(use.reserved).toBe(0);
    // Begun seconds count in full.
    expect(use.spent).toBeGreaterThanOrEqual(1);
    expect(use.spent).toBeLessThanOrEqual(most);
  });
});

describe('the kill switch', () => {
  test('ends what runs, and lets nothing begin', async () => {
    const kills = watchKills(world.store.ledger, silentLogger, 10);
    const budget = await open({ kills });
    const ended = new Promise((resolve) => budget.run.signal.addEventListener('abort', resolve));
    await world.store.ledger.kill('acme', true);
    await ended;
    expect(budget.stopped).toMatchObject({ code: 'ERR_KILLED' });
    expect(await codeOfOpening({ kills })).toBe('ERR_KILLED');
    await world.store.ledger.kill('acme', false);
    expect(await codeOfOpening({ kills })).toBe('opened');
    kills.close();
  });

  test('ends only what its tenant runs', async () => {
    const kills = watchKills(world.store.ledger, silentLogger, 10);
    const mine = await open({ kills });
    const theirs = await open({ kills }, world.spending({ tenant: 'globex' }));
    await world.store.ledger.kill('acme', true);
    await expect.poll(() => mine.run.signal.aborted).toBe(true);
    expect(theirs.run.signal.aborted).toBe(false);
    kills.close();
  });
});

describe('what is reserved', () => {
  test('and never settled is spent when the run ends', async () => {
    const budget = await open();
    await budget.run.reserve({ usdMicros: 100 });
    await budget.close();
    expect(budget.run.usage.usdMicros).toBe(100);
    expect(await world.spentToday()).toEqual({ spent: 100, reserved: 0 });
    await expect(budget.run.reserve({ usdMicros: 1 })).rejects.toThrow('the run is over');
  });

  test('for another program’s whole run is charged in full unless less is reported', async () => {
    const budget = await open();
    const worst = { usdMicros: 500, inputTokens: 1_000, modelCalls: 3 };
    const reported = { usdMicros: 900, inputTokens: 10, outputTokens: 0, modelCalls: 1, toolCalls: 0 };
    const one = await budget.run.reserve(worst);
    await one.settle(atMost(one.worst, reported));
    expect(budget.run.usage).toMatchObject({ usdMicros: 500, inputTokens: 10, modelCalls: 1 });
    expect(budget.stopped).toBeUndefined();
    await (await budget.run.reserve(worst)).settle({});
    expect(budget.run.usage).toMatchObject({ usdMicros: 1_000, inputTokens: 1_010, modelCalls: 4 });
  });
});

describe('a part for a delegate', () => {
  test('counts against the whole and against its own share, and stops alone', async () => {
    const budget = await open({ limits: { run: { toolCalls: { run: 4 } } } });
    const part = budget.run.slice('research', { toolCalls: 2 });
    for (let n = 0; n < 2; n += 1) await part.reserve({ toolCalls: 1 });
    await expect(part.reserve({ toolCalls: 1 })).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect([part.signal.aborted, budget.run.signal.aborted]).toEqual([true, false]);
    for (let n = 0; n < 2; n += 1) await budget.run.reserve({ toolCalls: 1 });
    await expect(budget.run.reserve({ toolCalls: 1 })).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
  });

  test('cannot use more than the whole has left, and ends with it', async () => {
    const budget = await open({ limits: { run: { toolCalls: { run: 1 } } } });
    const part = budget.run.slice('research', { toolCalls: 5 });
    await part.reserve({ toolCalls: 1 });
    await expect(part.reserve({ toolCalls: 1 })).rejects.toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED' });
    expect([part.signal.aborted, budget.run.signal.aborted]).toEqual([true, true]);
  });
});
