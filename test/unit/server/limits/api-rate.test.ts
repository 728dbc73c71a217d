import { SignJWT } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { SallyportError } from '../../../../src/core/errors.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../../../support/gate.ts';

let gate: Gate;
afterEach(() => gate.stop());

async function open(options: GateOptions): Promise<void> {
  gate = await openGate(options);
}

const token = (subject: string, tenant = 'default', scope = 'events:read'): Promise<string> =>
  new SignJWT({ sub: subject, tenant, scope, exp: Math.floor(Date.now() / 1000) + 600 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(JWT_SECRET));

async function ask(bearer: string, path = '/events') {
  const response = await gate.app.request(`http://gate.test${path}`, {
    headers: { authorization: `Bearer ${bearer}` },
  });
  return { status: response.status, retryAfter: response.headers.get('retry-after'), body: await response.json() };
}

const statuses = async (times: number, bearer: string): Promise<number[]> => {
  const all: number[] = [];
  for (let n = 0; n < times; n += 1) all.push((await ask(bearer)).status);
  return all;
};

test('a subject over its rate gets 429 and the seconds until its window ends', async () => {
  await open({ apiRate: { count: 3, windowMs: 3_600_000 } });
  const ada = await token('ada');
  expect(await statuses(4, ada)).toEqual([200, 200, 200, 429]);
  const { status, retryAfter, body } = await ask(ada, '/budgets');
  expect([status, body]).toMatchObject([429, { code: 'ERR_RATE_LIMITED', title: 'Too many requests' }]);
  expect(Number(retryAfter)).toBeGreaterThan(3_500);
  expect(Number(retryAfter)).toBeLessThanOrEqual(3_600);
});

test('tokens of one subject count together, those of other subjects and tenants by themselves', async () => {
  await open({ apiRate: { count: 2, windowMs: 3_600_000 } });
  expect(await statuses(1, await token('ada'))).toEqual([200]);
  expect(await statuses(2, await token('ada', 'default', 'events:read budgets:read'))).toEqual([200, 429]);
  expect(await statuses(1, await token('bob'))).toEqual([200]);
  expect(await statuses(1, await token('ada', 'globex'))).toEqual([200]);
});

test('a request that lacks its scope counts as well', async () => {
  await open({ apiRate: { count: 2, windowMs: 3_600_000 } });
  expect(await statuses(3, await token('ada', 'default', 'chat:read'))).toEqual([403, 403, 429]);
});

test('a request that cannot be counted is answered 503', async () => {
  await open({
    over: (store) => ({
      ...store,
      limits: { ...store.limits, take: () => Promise.reject(new SallyportError('ERR_STORE_UNAVAILABLE', 'away')) },
    }),
  });
  const { status, body } = await ask(await token('ada'));
  expect([status, body]).toMatchObject([503, { code: 'ERR_STORE_UNAVAILABLE' }]);
});
