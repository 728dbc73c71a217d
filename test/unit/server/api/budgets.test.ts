import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFakeClock } from '../../../support/clock.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../../../support/gate.ts';
import { answered } from '../../../support/slack.ts';

const limits = {
  global: { usdMicros: { month: 9_000_000 } },
  tenant: { usdMicros: { day: 5_000_000 }, tokens: { day: 'unlimited' as const } },
  channel: { runs: { day: 100 } },
  user: { runs: { hour: 5 } },
  run: { modelCalls: { run: 20 } },
};
// 2030-03-17T17:46:40Z
const clock = createFakeClock();

let gate: Gate;
const reopen = async (options: GateOptions): Promise<void> => {
  await gate.stop();
  gate = await openGate({ clock: clock.now, budget: { limits }, ...options });
};
beforeEach(async () => {
  gate = await openGate({ clock: clock.now, budget: { limits } });
});
afterEach(() => gate.stop());

interface CallOptions {
  readonly tenant?: string;
  readonly scope?: string;
  readonly method?: string;
  readonly body?: unknown;
}

async function call(
  path: string,
  { tenant = 'default', scope = 'budgets:read budgets:write', method = 'GET', body }: CallOptions = {},
) {
  const bearer = await new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const init = { method, headers: { authorization: `Bearer ${bearer}` } };
  const sent = body === undefined ? init : { ...init, body: typeof body === 'string' ? body : JSON.stringify(body) };
  const { status, body: text } = await answered(await gate.app.request(new Request(`http://gate.test${path}`, sent)));
  return { status, json: JSON.parse(text) };
}
const put = (scope: string, body: unknown, options: CallOptions = {}) =>
  call(`/budgets/${scope}`, { ...options, method: 'PUT', body });
const kill = (body: unknown, options: CallOptions = {}) => call('/budgets/kill', { ...options, method: 'POST', body });

async function spend(usdMicros: number, tenant = 'default'): Promise<void> {
  const accounts = [
    { scope: 'tenant', account: tenant, window: 'day' },
    { scope: 'global', account: 'all', window: 'month' },
  ] as const;
  const request = { id: crypto.randomUUID(), tenant, amounts: { usdMicros }, ttlMs: 60_000 };
  const rows = accounts.map((account) => ({ ...account, resource: 'usdMicros', max: 'unlimited' }) as const);
  const answer = await gate.store.ledger.reserve({ ...request, limits: rows });
  if (answer.kind === 'reserved') await gate.store.ledger.settle(answer.reservation, { usdMicros });
}

describe('GET /budgets', () => {
  test('shows every limit, from the widest scope to the narrowest, with what stands against it', async () => {
    await spend(1_250_000);
    const { status, json } = await call('/budgets');
    expect(status).toBe(200);
    const day = '2030-03-18T00:00:00.000Z';
    const none = { spent: 0, reserved: 0 };
    const configured = { setBy: 'configuration' };
    expect(json).toEqual({
      tenant: 'default',
      killed: false,
      limits: [
        {
          ...configured,
          scope: 'global',
          resource: 'usdMicros',
          window: 'month',
          max: 9_000_000,
          spent: 1_250_000,
          reserved: 0,
          resetsAt: '2030-04-01T00:00:00.000Z',
        },
        {
          ...configured,
          scope: 'tenant',
          resource: 'usdMicros',
          window: 'day',
          max: 5_000_000,
          spent: 1_250_000,
          reserved: 0,
          resetsAt: day,
        },
        { ...configured, scope: 'tenant', resource: 'tokens', window: 'day', max: 'unlimited', ...none, resetsAt: day },
        {
          ...configured,
          scope: 'channel',
          channel: 'slack',
          resource: 'runs',
          window: 'day',
          max: 100,
          ...none,
          resetsAt: day,
        },
        { ...configured, scope: 'user', resource: 'runs', window: 'hour', max: 5 },
        { ...configured, scope: 'run', resource: 'modelCalls', window: 'run', max: 20 },
      ],
    });
  });

  test('shows a tenant neither what another has used nor what all have', async () => {
    await reopen({ isAlone: false });
    await spend(1_250_000, 'globex');
    const { json } = await call('/budgets');
    expect(json.limits[0]).toEqual({
      scope: 'global',
      resource: 'usdMicros',
      window: 'month',
      max: 9_000_000,
      setBy: 'configuration',
    });
    expect(JSON.stringify(json)).not.toContain('1250000');
  });

  test.each([
    ['events:read', 'GET', '/budgets'],
    ['budgets:read', 'PUT', '/budgets/tenant'],
    ['budgets:read', 'POST', '/budgets/kill'],
  ])('a token for %s may not %s %s', async (scope, method, path) => {
    expect(await call(path, { scope, method, ...(method === 'GET' ? {} : { body: {} }) })).toMatchObject({
      status: 403,
      json: { code: 'ERR_FORBIDDEN' },
    });
  });
});

describe('PUT /budgets/{scope}', () => {
  const limitOf = (
    json: { limits: { scope: string; resource: string; window: string }[] },
    scope: string,
    resource: string,
    window: string,
  ) => json.limits.find((row) => row.scope === scope && row.resource === resource && row.window === window);

  test('sets limits over the configured ones, and what is not named is as configured', async () => {
    const { status, json } = await put('tenant', { usdMicros: { day: 2_000_000, hour: 500_000 }, tokens: { day: 1 } });
    expect(status).toBe(200);
    expect(limitOf(json, 'tenant', 'usdMicros', 'day')).toMatchObject({ max: 2_000_000, setBy: 'operator' });
    expect(limitOf(json, 'tenant', 'usdMicros', 'hour')).toMatchObject({ max: 500_000, setBy: 'operator', spent: 0 });
    expect(limitOf(json, 'user', 'runs', 'hour')).toMatchObject({ max: 5, setBy: 'configuration' });
    expect((await call('/budgets')).json).toEqual(json);
  });

  test('replaces what was set before; nothing is the configuration again', async () => {
    const before = (await call('/budgets')).json;
    await put('tenant', { usdMicros: { day: 1 } });
    const { json } = await put('tenant', { tokens: { day: 'unlimited' } });
    expect(limitOf(json, 'tenant', 'usdMicros', 'day')).toMatchObject({ max: 5_000_000 });
    expect((await put('tenant', {})).json).toEqual(before);
  });

  test('sets only the caller’s tenant', async () => {
    await put('tenant', { usdMicros: { day: 1 } }, { tenant: 'globex' });
    expect(limitOf((await call('/budgets')).json, 'tenant', 'usdMicros', 'day')).toMatchObject({ max: 5_000_000 });
  });

  test('sets what all tenants share only where there is one', async () => {
    expect(await put('global', { usdMicros: { month: 1 } })).toMatchObject({ status: 200 });
    await reopen({ isAlone: false });
    expect(await put('global', { usdMicros: { month: 1 } })).toMatchObject({
      status: 403,
      json: { code: 'ERR_FORBIDDEN' },
    });
  });

  test.each([
    ['a field that does not exist', { usd: { day: 1 } }],
    ['a window that does not exist', { usdMicros: { week: 1 } }],
    ['a run’s window outside a run', { usdMicros: { run: 1 } }],
    ['a negative number', { usdMicros: { day: -1 } }],
    ['a fraction', { usdMicros: { day: 1.5 } }],
    ['a number as text', { usdMicros: { day: '1' } }],
    ['no number', { usdMicros: { day: null } }],
    ['no object', []],
  ])('refuses %s', async (_, body) => {
    expect(await put('tenant', body)).toMatchObject({ status: 400, json: { code: 'ERR_INVALID_REQUEST' } });
  });

  test('refuses what is not JSON, what is too large, and a scope that does not exist', async () => {
    expect(await put('tenant', '{')).toMatchObject({ status: 400, json: { code: 'ERR_BODY_UNPARSABLE' } });
    expect(await put('tenant', `{"a":"${'x'.repeat(70_000)}"}`)).toMatchObject({ status: 413 });
    expect(await put('team', {})).toMatchObject({ status: 404, json: { code: 'ERR_NOT_FOUND' } });
    expect(await put('__proto__', {})).toMatchObject({ status: 404 });
  });
});

describe('POST /budgets/kill', () => {
  test('turns the kill switch on and off, for the caller’s tenant', async () => {
    expect(await kill({ on: true })).toEqual({ status: 200, json: { killed: true } });
    expect((await call('/budgets')).json.killed).toBe(true);
    expect((await call('/budgets', { tenant: 'globex' })).json.killed).toBe(false);
    expect(await gate.store.ledger.killed()).toEqual(new Set(['default']));
    expect(await kill({ on: false })).toEqual({ status: 200, json: { killed: false } });
    expect((await call('/budgets')).json.killed).toBe(false);
  });

  test.each([{}, { on: 1 }, { on: true, tenant: 'globex' }, null])('refuses %j', async (body) => {
    expect(await kill(body)).toMatchObject({ status: 400, json: { code: 'ERR_INVALID_REQUEST' } });
    expect(await gate.store.ledger.killed()).toEqual(new Set());
  });
});
