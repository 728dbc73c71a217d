import { expect, onTestFinished, test } from 'vitest';
import type { BudgetLimits } from '../../../src/core/budget.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { budgetFigures } from '../../../src/ops/budget-figures.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { accountLimits } from '../../../src/queue/ledger.ts';
import { createBudgetOverrides } from '../../../src/queue/records/budget-overrides.ts';
import { defaultLimits } from '../../../src/queue/store.ts';
import { testFolder } from '../../support/folder.ts';

const limits: Readonly<Record<string, BudgetLimits>> = {
  acme: {
    global: { usdMicros: { month: 10_000 } },
    tenant: { usdMicros: { day: 1_000, month: 'unlimited' }, runs: { day: 5 } },
    channel: { usdMicros: { hour: 400 } },
    user: { usdMicros: { day: 10 } },
  },
  globex: { global: { usdMicros: { month: 10_000 } }, tenant: { usdMicros: { day: 1_000 } } },
  initech: { global: { usdMicros: { month: 10_000 } }, tenant: { usdMicros: { day: 0 } } },
};

async function open() {
  const path = `${await testFolder()}/store.db`;
  const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
  onTestFinished(() => store.close());
  const overrides = createBudgetOverrides(store.records);
  const configured = (tenant: string): BudgetLimits => limits[tenant] ?? {};
  return {
    overrides,
    figures: () =>
      budgetFigures({
        ...{ tenants: Object.keys(limits), configured, overrides, ledger: store.ledger },
        channelsOf: (tenant) => (tenant === 'acme' ? ['slack', 'teams'] : ['slack']),
      }),
    /** Reserves and, where it was used, settles. */
    async spend(tenant: string, channel: string, reserved: number, used?: number) {
      const spender = { tenant, channel, user: 'u', conversation: 'c', run: crypto.randomUUID() };
      // The person's limit would refuse it.
      const { user: _, ...shared } = configured(tenant);
      const request = { id: crypto.randomUUID(), tenant, amounts: { usdMicros: reserved }, ttlMs: 60_000 };
      const answer = await store.ledger.reserve({ ...request, limits: accountLimits(shared, spender) });
      if (answer.kind !== 'reserved') throw new Error(`expected reserved, got ${answer.kind}`);
      if (used !== undefined) await store.ledger.settle(answer.reservation, { usdMicros: used });
    },
  };
}

test('shows of each scope and window the account that has used the greatest share, and every account in what is reserved', async () => {
  const { figures, spend } = await open();
  expect(await figures()).toMatchObject({
    reserved: new Map([
      ['global', 0],
      ['tenant', 0],
      ['channel', 0],
    ]),
  });
  await spend('acme', 'slack', 300, 100);
  await spend('acme', 'teams', 50);
  await spend('globex', 'slack', 600);
  const { reserved, shares } = await figures();
  expect(Object.fromEntries(reserved)).toEqual({ global: 650, tenant: 650, channel: 50 });
  expect(shares.toSorted((a, b) => (a.scope < b.scope ? -1 : 1))).toEqual([
    { scope: 'channel', window: 'hour', spent: 0.25, reserved: 0 },
    { scope: 'global', window: 'month', spent: 0.01, reserved: 0.065 },
    { scope: 'tenant', window: 'day', spent: 0, reserved: 0.6 },
  ]);
});

test('limits that operators have set count in place of the configured ones', async () => {
  const { figures, spend, overrides } = await open();
  await spend('acme', 'slack', 100, 100);
  await overrides.write('acme', 'tenant', { usdMicros: { day: 200 } });
  const { shares } = await figures();
  expect(shares.find(({ scope, window }) => scope === 'tenant' && window === 'day')).toMatchObject({ spent: 0.5 });
});
