import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_REVOCATIONS } from '../../../../src/queue/records/revocations.ts';
import { wholeChain } from '../../../support/audit.ts';
import { revocationsOver } from '../../../support/authorize.ts';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';
import { answered } from '../../../support/slack.ts';

let gate: Gate;
beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

const NOW = Math.floor(Date.now() / 1000);

interface TokenOptions {
  readonly sub?: string;
  readonly tenant?: string;
  readonly scope?: string;
  readonly jti?: string;
  /** Seconds since the epoch; null: none. Default: a minute ago. */
  readonly iat?: number | null;
}

function tokenOf({ sub = 'ada', tenant = 'default', scope = 'events:read', jti, iat = NOW - 60 }: TokenOptions = {}) {
  const token = new SignJWT({ tenant, scope }).setProtectedHeader({ alg: 'HS256' }).setSubject(sub);
  if (jti !== undefined) token.setJti(jti);
  if (iat !== null) token.setIssuedAt(iat);
  return token.setExpirationTime(NOW + 3_600).sign(Buffer.from(JWT_SECRET));
}

const operator: TokenOptions = { sub: 'op', scope: 'tokens:revoke', jti: 'op-1' };

async function call(method: string, path: string, token: string, body?: unknown) {
  const request = new Request(`http://gate.test${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { status, body: text } = await answered(await gate.app.request(request));
  return { status, text, json: text === '' ? null : JSON.parse(text) };
}

const revoke = async (body: unknown, by: TokenOptions = operator) =>
  call('POST', '/revocations', await tokenOf(by), body);
const isGood = async (options: TokenOptions): Promise<boolean> =>
  (await call('GET', '/events', await tokenOf(options))).status === 200;

describe('what a revocation ends', () => {
  test('by id: that token, and no other of its subject', async () => {
    expect(await isGood({ jti: 'a' })).toBe(true);
    const { status, json } = await revoke({ jti: 'a' });
    expect([status, json]).toEqual([
      201,
      { id: expect.stringMatching(/^jti_[\w-]{22}$/), jti: 'a', revokedAt: expect.any(String), by: 'op' },
    ]);
    expect([await isGood({ jti: 'a' }), await isGood({ jti: 'b' }), await isGood({})]).toEqual([false, true, true]);
  });

  test('by subject: what was issued before, and what does not say when', async () => {
    const { status, json } = await revoke({ sub: 'ada' });
    expect([status, json]).toMatchObject([201, { sub: 'ada', before: expect.any(String) }]);
    expect([await isGood({}), await isGood({ iat: null })]).toEqual([false, false]);
    // A new login. Tokens say the second only, so one of the same second counts as issued before.
    expect(await isGood({ iat: NOW + 30 })).toBe(true);
    expect(await isGood({ sub: 'grace' })).toBe(true);
  });

  test('by tenant: every subject of it, and of no other tenant', async () => {
    expect((await revoke({ tenant: true, confirm: true })).json).toMatchObject({ id: 'tenant', tenant: true });
    expect([await isGood({}), await isGood({ sub: 'grace' }), await isGood(operator)]).toEqual([false, false, false]);
    expect(await isGood({ tenant: 'globex' })).toBe(true);
    expect(await isGood({ sub: 'grace', iat: NOW + 30 })).toBe(true);
  });

  test.each([
    ['text', new Date((NOW - 600) * 1000).toISOString()],
    ['text with an offset', new Date((NOW - 600 + 7_200) * 1000).toISOString().replace('Z', '+02:00')],
    ['seconds', NOW - 600],
  ])('`before` as %s keeps what was issued since', async (_, before) => {
    expect((await revoke({ sub: 'ada', before })).status).toBe(201);
    expect([await isGood({ iat: NOW - 601 }), await isGood({ iat: NOW - 600 })]).toEqual([false, true]);
  });

  test('an earlier `before` takes nothing back', async () => {
    await revoke({ sub: 'ada', before: NOW - 100 });
    const { json } = await revoke({ sub: 'ada', before: NOW - 600 });
    expect(Date.parse(json.before)).toBe((NOW - 100) * 1000);
    expect(await isGood({ iat: NOW - 200 })).toBe(false);
  });

  test('the caller learns nothing of it', async () => {
    await revoke({ sub: 'ada' });
    const refused = await call('GET', '/events', await tokenOf({}));
    expect([refused.status, refused.text]).toEqual([401, (await call('GET', '/events', 'a.b.c')).text]);
  });
});

describe('one’s own token', () => {
  test.each([
    ['its id', { jti: 'op-1' }],
    ['its subject', { sub: 'op' }],
    ['its tenant', { tenant: true }],
  ])('named by %s needs a confirmation', async (_, body) => {
    const { status, json } = await revoke(body);
    expect([status, json.code, json.errors?.[0]?.path]).toEqual([400, 'ERR_INVALID_REQUEST', 'confirm']);
    expect((await call('GET', '/revocations', await tokenOf(operator))).json).toEqual({ revocations: [] });
    expect((await revoke({ ...body, confirm: true })).status).toBe(201);
    expect((await call('GET', '/revocations', await tokenOf(operator))).status).toBe(401);
  });

  test('needs none where it is not ended: other sessions of the same subject', async () => {
    expect((await revoke({ sub: 'op', before: NOW - 600 })).status).toBe(201);
    expect((await call('GET', '/revocations', await tokenOf(operator))).status).toBe(200);
  });
});

test.each([
  {},
  null,
  [],
  { jti: '' },
  { jti: 'a', sub: 'b' },
  { jti: 'a', tenant: true },
  { jti: 'a', before: NOW },
  { jti: 4711 },
  { jti: 'x'.repeat(513) },
  { tenant: false },
  { tenant: 'globex' },
  { sub: 'a', tenantId: 'globex' },
  { sub: 'a', before: 'yesterday' },
  { sub: 'a', before: NOW + 3_600 },
  { sub: 'a', before: Date.now() },
  { sub: 'a', before: -1 },
  { sub: 'a', confirm: false },
])('the body %j is refused', async (body) => {
  const { status, json } = await revoke(body);
  expect([status, json.code]).toEqual([400, 'ERR_INVALID_REQUEST']);
  expect(await revocationsOver(gate.store).list('default')).toEqual([]);
});

test('each of the three routes needs the scope tokens:revoke', async () => {
  const token = await tokenOf({ scope: 'events:read events:write audit:read' });
  for (const [method, path] of [
    ['POST', '/revocations'],
    ['GET', '/revocations'],
    ['DELETE', '/revocations/tenant'],
  ] as const) {
    expect((await call(method, path, token, method === 'POST' ? { tenant: true } : undefined)).status).toBe(403);
  }
});

test('they are listed, and deleted by their id, which takes them back', async () => {
  const { json: first } = await revoke({ sub: 'ada' });
  const { json: second } = await revoke({ jti: 'a' });
  const token = await tokenOf(operator);
  const listed = await call('GET', '/revocations', token);
  expect(listed.json.revocations).toEqual(expect.arrayContaining([first, second]));
  expect(listed.json.revocations).toHaveLength(2);
  const foreign = await tokenOf({ ...operator, tenant: 'globex' });
  expect((await call('GET', '/revocations', foreign)).json).toEqual({ revocations: [] });
  for (const [id, by] of [
    [first.id, foreign],
    ['sub_0000000000000000000000', token],
    ['c4n4ry', token],
    ['__proto__', token],
  ]) {
    const { status, text } = await call('DELETE', `/revocations/${id}`, by);
    expect(status).toBe(404);
    expect(text).not.toContain('c4n4ry');
  }
  expect(await isGood({})).toBe(false);
  expect((await call('DELETE', `/revocations/${first.id}`, token)).status).toBe(204);
  expect(await isGood({})).toBe(true);
  expect((await call('DELETE', `/revocations/${first.id}`, token)).status).toBe(404);
});

test('the audit knows of each before it has an effect', async () => {
  const { json } = await revoke({ sub: 'ada', before: NOW - 600 });
  await call('DELETE', `/revocations/${json.id}`, await tokenOf(operator));
  const data = { kind: 'sub', sub: 'ada', before: new Date((NOW - 600) * 1000).toISOString() };
  expect(
    (await wholeChain(gate.store)).map(({ actor, action, subject, data: told }) => [actor, action, subject, told]),
  ).toEqual([
    ['user:op', 'token.revoked', json.id, data],
    ['user:op', 'revocation.deleted', json.id, data],
  ]);
});

test('without the audit nothing is revoked', async () => {
  const { store } = gate;
  const append = store.audit.append;
  Object.assign(store.audit, { append: async () => Promise.reject(new Error('away')) });
  expect((await revoke({ sub: 'ada' })).status).toBe(503);
  Object.assign(store.audit, { append });
  expect(await isGood({})).toBe(true);
});

test('a secret that was pasted for an id is not kept', async () => {
  const pasted = `${'gh'}p_16C7e42F292c6912E7710c838347Ae178B4a`;
  const { status, text } = await revoke({ jti: pasted });
  expect(status).toBe(201);
  expect(text).not.toContain(pasted);
  expect(JSON.stringify(await revocationsOver(gate.store).list('default'))).not.toContain(pasted);
  expect(await isGood({ jti: pasted })).toBe(false);
});

test('a tenant has no more than the stated number, and one more for the whole tenant is always possible', async () => {
  const revocations = revocationsOver(gate.store);
  const one = { before: Date.now(), revokedAt: Date.now(), by: 'op' };
  await Promise.all(
    Array.from({ length: MAX_REVOCATIONS }, (_, at) =>
      revocations.add('default', { ...one, id: `jti_${String(at).padStart(22, '0')}`, kind: 'jti', name: String(at) }),
    ),
  );
  const { status, json } = await revoke({ sub: 'ada' });
  expect([status, json.code]).toEqual([409, 'ERR_REVOCATIONS_FULL']);
  expect(json.detail).toContain(String(MAX_REVOCATIONS));
  expect(await isGood({})).toBe(true);
  expect((await revoke({ tenant: true, confirm: true })).status).toBe(201);
});
