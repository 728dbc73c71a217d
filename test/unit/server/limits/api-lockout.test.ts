import { SignJWT } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { codeOf, SallyportError } from '../../../../src/core/errors.ts';
import { createApiGuard } from '../../../../src/server/limits/api-guard.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../../../support/gate.ts';

const MINUTE_MS = 60_000;
const FIVE = { count: 5, windowMs: 15 * MINUTE_MS };

let gate: Gate;
afterEach(() => gate.stop());

async function open(options: GateOptions = {}) {
  const clock = createFakeClock(Date.now());
  gate = await openGate({ apiFailures: FIVE, clock: clock.now, ...options });
  const token = (secret = JWT_SECRET): Promise<string> =>
    new SignJWT({ sub: 'ada', tenant: 'default', scope: 'events:read' })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuedAt()
      .setExpirationTime('2h')
      .sign(new TextEncoder().encode(secret));
  const ask = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await gate.app.request('http://gate.test/events', { headers });
    return { status: response.status, retryAfter: Number(response.headers.get('retry-after') ?? 0) };
  };
  const good = async () => ask(`Bearer ${await token()}`);
  const bad = async () => ask(`Bearer ${await token(`${JWT_SECRET}, another`)}`);
  return { clock, ask, good, bad };
}

test('five refused tokens lock their source out for 15 minutes, before any token is looked at', async () => {
  const { clock, good, bad } = await open();
  for (let n = 0; n < 4; n += 1) expect((await bad()).status).toBe(401);
  expect((await good()).status).toBe(200);
  expect((await bad()).status).toBe(401);
  expect(await good()).toEqual({ status: 429, retryAfter: 900 });
  expect((await bad()).status).toBe(429);
  clock.advance(15 * MINUTE_MS - 1);
  expect(await good()).toEqual({ status: 429, retryAfter: 1 });
  clock.advance(1);
  expect((await good()).status).toBe(200);
  // The next lockout lasts twice as long; what was asked meanwhile did not count.
  for (let n = 0; n < 5; n += 1) expect((await bad()).status).toBe(401);
  expect(await good()).toEqual({ status: 429, retryAfter: 1_800 });
});

test('a request without a token locks nobody out', async () => {
  const { ask, good } = await open();
  for (let n = 0; n < 20; n += 1) expect((await ask()).status).toBe(401);
  expect((await good()).status).toBe(200);
});

test('where lockouts cannot be read or counted, nothing passes', async () => {
  const away = () => Promise.reject(new SallyportError('ERR_STORE_UNAVAILABLE', 'away'));
  const reading = await open({ over: (store) => ({ ...store, limits: { ...store.limits, lockedFor: away } }) });
  expect((await reading.good()).status).toBe(503);
  await gate.stop();
  const counting = await open({ over: (store) => ({ ...store, limits: { ...store.limits, fail: away } }) });
  expect((await counting.bad()).status).toBe(503);
});

test('refused tokens of one subject are answered 429 from the fourth on, from whichever source, for 15 minutes', async () => {
  const { clock } = await open();
  const guard = createApiGuard({
    limits: gate.store.limits,
    digest: (label, parts) => [label, ...parts].join(' '),
    rate: { count: 1_000, windowMs: MINUTE_MS },
    failures: FIVE,
    isShared: () => false,
    clock: clock.now,
  });
  const count = (n: number, subject = 'ada') =>
    guard.countRefused(`203.0.113.${n}`, { tenant: 'default', subject }).then(() => 'counted', codeOf);
  expect([await count(1), await count(2), await count(3), await count(4)]).toEqual([
    ...['counted', 'counted', 'counted'],
    'ERR_RATE_LIMITED',
  ]);
  expect(await count(5, 'bob')).toBe('counted');
  clock.advance(15 * MINUTE_MS);
  expect(await count(6)).toBe('counted');
});

test('an IPv6 site is locked out as a whole after eight times as many, and an untrusted proxy never', async () => {
  const { clock } = await open();
  const guard = createApiGuard({
    limits: gate.store.limits,
    digest: (label, parts) => [label, ...parts].join(' '),
    rate: { count: 1_000, windowMs: MINUTE_MS },
    failures: FIVE,
    isShared: (source) => source === '10.0.0.1',
    clock: clock.now,
  });
  const admit = (source: string) => guard.admitSource(source).then(() => 'admitted', codeOf);
  for (let n = 0; n < 39; n += 1) await guard.countRefused(`2001:db8:1:${n.toString(16)}::1`);
  expect(await admit('2001:db8:1:ffff::1')).toBe('admitted');
  await guard.countRefused('2001:db8:1:100::1');
  expect(await admit('2001:db8:1:ffff::1')).toBe('ERR_RATE_LIMITED');
  expect(await admit('2001:db8:2:1::1')).toBe('admitted');
  for (let n = 0; n < 20; n += 1) await guard.countRefused('10.0.0.1');
  expect(await admit('10.0.0.1')).toBe('admitted');
});
