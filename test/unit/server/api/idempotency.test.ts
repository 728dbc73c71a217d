import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../../../src/core/identity.ts';
import { createIdempotencyKeys, KEY_LIFE_MS } from '../../../../src/queue/records/idempotency-keys.ts';
import { createFakeClock, type FakeClock } from '../../../support/clock.ts';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';

let gate: Gate;
let clock: FakeClock;

beforeEach(async () => {
  clock = createFakeClock(Date.now());
  gate = await openGate({ clock: clock.now });
});
afterEach(() => gate.stop());

interface Wish {
  readonly key?: string;
  readonly body?: object;
  readonly subject?: string;
  readonly path?: string;
}

async function post({ key, body, subject = 'ada', path = '/guardrails/invalidate' }: Wish) {
  const token = await new SignJWT({
    tenant: 'default',
    scope: 'guardrails:write budgets:write events:write chat:write',
  })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const response = await gate.app.request(path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...(key === undefined ? {} : { 'idempotency-key': key }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, text, code: JSON.parse(text).code, headers: response.headers };
}

/** How often it was really done. */
async function invalidations(): Promise<number> {
  const entries = await gate.store.audit.read('default', { from: 1, limit: 1_000 });
  return entries.filter(({ action }) => action === 'guardrail.invalidated').length;
}

test('a request that is sent again does nothing twice and has the same answer', async () => {
  const first = await post({ key: '"k 1"' });
  const again = await post({ key: '"k 1"' });
  expect([first.status, again.status, again.text]).toEqual([200, 200, first.text]);
  expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
  expect(await invalidations()).toBe(1);
  await post({ key: '"k 2"' });
  await post({});
  expect(await invalidations()).toBe(3);
});

test('a key without quotes is the same key', async () => {
  await post({ key: 'k' });
  await post({ key: '"k"' });
  expect(await invalidations()).toBe(1);
});

test('of twenty at once one is done, and the others are told to wait or have its answer', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => post({ key: 'k' })));
  expect(await invalidations()).toBe(1);
  for (const { status, code, headers } of answers.filter((one) => one.status !== 200)) {
    expect([status, code, headers.get('retry-after')]).toEqual([409, 'ERR_REQUEST_RUNNING', '1']);
  }
  expect((await post({ key: 'k' })).status).toBe(200);
});

test('the same key for something else is refused', async () => {
  const path = '/budgets/kill';
  expect((await post({ key: 'k', path, body: { on: true } })).status).toBe(200);
  expect((await post({ key: 'k', path, body: { on: false } })).code).toBe('ERR_IDEMPOTENCY_KEY_REUSED');
  expect((await post({ key: 'k' })).code).toBe('ERR_IDEMPOTENCY_KEY_REUSED');
  expect((await gate.store.ledger.killed()).has('default')).toBe(true);
  expect((await post({ key: 'k', path, body: { on: true } })).status).toBe(200);
});

test('a key is of one subject', async () => {
  await post({ key: 'k' });
  await post({ key: 'k', subject: 'eve' });
  expect(await invalidations()).toBe(2);
});

test('a refusal is an answer: it stays what it was', async () => {
  const { status, text } = await post({ key: 'k', path: '/chat', body: { text: 'hello' } });
  const { event } = JSON.parse(text);
  const path = `/events/${event}/redrive`;
  const first = await post({ key: 'r', path });
  expect([status, first.status, first.code]).toEqual([202, 409, 'ERR_WRONG_STATE']);
  await post({ path: `/events/${event}/park` });
  expect(await post({ key: 'r', path })).toMatchObject({ status: 409, text: first.text });
  expect((await post({ key: 'r2', path })).status).toBe(200);
});

test('what is refused before anything is done does not use the key up', async () => {
  const path = '/budgets/kill';
  expect((await post({ key: 'k', path, body: { on: 'yes' } })).status).toBe(400);
  expect((await post({ key: 'k', path, body: { on: true } })).status).toBe(200);
});

describe('a process that dies before it has answered', () => {
  const digest = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7)).digest;
  const asked = ['/guardrails/invalidate', 'null', 'null', ''];

  test('leaves a key that is never done again unseen, until a day has passed', async () => {
    const name = digest('idempotency-key', ['default', 'ada', 'k']);
    const keys = createIdempotencyKeys(gate.store.records, clock.now);
    const begun = await keys.begin('default', name, digest('idempotency-request', asked), 'another process');
    expect(begun).toEqual({ kind: 'begun' });
    expect((await post({ key: 'k' })).code).toBe('ERR_REQUEST_RUNNING');
    clock.advance(61_000);
    expect(await post({ key: 'k' })).toMatchObject({ status: 409, code: 'ERR_ANSWER_LOST' });
    expect(await invalidations()).toBe(0);
    clock.advance(KEY_LIFE_MS);
    expect((await post({ key: 'k' })).status).toBe(200);
  });
});

test('keys are forgotten after a day', async () => {
  for (let at = 0; at < 5; at += 1) await post({ key: `k${at}` });
  const keys = createIdempotencyKeys(gate.store.records, clock.now);
  expect(await keys.forget('default')).toBe(0);
  clock.advance(KEY_LIFE_MS);
  expect(await keys.forget('default')).toBe(5);
});

test('only so many keys are remembered', async () => {
  const keys = createIdempotencyKeys(gate.store.records, clock.now);
  const kinds = new Set<string>();
  for (let at = 0; at < 257; at += 1) kinds.add((await keys.begin('default', `A${at}`, 'f', String(at))).kind);
  expect([...kinds]).toEqual(['begun', 'full']);
  clock.advance(KEY_LIFE_MS);
  expect((await keys.begin('default', 'A', 'f', 'x')).kind).toBe('begun');
});

test.each(['""', '', '"a', '"\u00e9"', 'x'.repeat(256), 'two words', '"a"b"'])('%s is no key', async (key) => {
  for (const path of ['/guardrails/invalidate', '/chat']) {
    const { status, code } = await post({ key, path, body: { text: 'hello' } });
    expect([path, status, code]).toEqual([path, 400, 'ERR_INVALID_REQUEST']);
  }
});

describe('POST /chat', () => {
  const path = '/chat';

  test('takes the key of the header for that of its body', async () => {
    const first = await post({ key: 'k', path, body: { text: 'hello' } });
    const inBody = await post({ path, body: { text: 'hello', idempotencyKey: 'k' } });
    expect([first.status, inBody.status, inBody.text]).toEqual([202, 202, first.text]);
    const other = await post({ key: 'k', path, body: { text: 'goodbye' } });
    expect([other.status, other.code]).toEqual([409, 'ERR_IDEMPOTENCY_KEY_REUSED']);
  });

  test('refuses two keys that differ', async () => {
    const { status } = await post({ key: 'k', path, body: { text: 'hello', idempotencyKey: 'another' } });
    expect(status).toBe(400);
  });
});
