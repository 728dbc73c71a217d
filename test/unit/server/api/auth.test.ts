import { createHmac, generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SallyportError } from '../../../../src/core/errors.ts';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';
import { answered, message, postSlack } from '../../../support/slack.ts';

let gate: Gate;

beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

const NOW = Math.floor(Date.now() / 1000);
const claims = { sub: 'ada', tenant: 'default', scope: 'events:read events:write', exp: NOW + 600 };

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token made by hand, so that nothing keeps it from being wrong. */
function token(payload: object = claims, { header = { alg: 'HS256' } as object, secret = JWT_SECRET } = {}): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

const without = (claim: keyof typeof claims): object =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim));

async function ask(authorization: string | undefined, path = '/events', method = 'GET') {
  const headers = authorization === undefined ? {} : { authorization };
  return answered(await gate.app.request(new Request(`http://gate.test${path}`, { method, headers })));
}

const routes = [
  ['GET', '/events'],
  ['GET', '/events/ev_00000000000000000000000000'],
  ['POST', '/events/ev_00000000000000000000000000/redrive'],
  ['POST', '/events/ev_00000000000000000000000000/park'],
] as const;

test('a good token opens the API', async () => {
  expect((await ask(`Bearer ${token()}`)).status).toBe(200);
  // RFC 9110, 11.1: the scheme is case-insensitive.
  expect((await ask(`bearer ${token()}`)).status).toBe(200);
});

test.each(routes)('%s %s without a token is answered 401, before anything else is looked at', async (method, path) => {
  const { status, body, headers } = await ask(undefined, path, method);
  expect(status).toBe(401);
  expect(headers.get('www-authenticate')).toBe('Bearer');
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(JSON.parse(body)).toEqual({
    type: 'about:blank',
    title: 'Authentication is required',
    status: 401,
    code: 'ERR_UNAUTHENTICATED',
    requestId: 'request-1',
  });
});

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

test.each<readonly [string, () => string | Promise<string>]>([
  ['nothing', () => ''],
  ['no scheme', () => token()],
  ['another scheme', () => `Basic ${token()}`],
  ['only the scheme', () => 'Bearer '],
  ['garbage', () => 'Bearer c4n4ry'],
  ['three garbage parts', () => 'Bearer c4n4ry.c4n4ry.c4n4ry'],
  ['two tokens', () => `Bearer ${token()} ${token()}`],
  ['two tokens in a list', () => `Bearer ${token()}, Bearer ${token()}`],
  ['a token with a part more', () => `Bearer ${token()}.e30`],
  ['padding in base64', () => `Bearer ${token()}=`],
  ['a token of a megabyte', () => `Bearer ${token({ ...claims, c4n4ry: 'x'.repeat(1_000_000) })}`],
  ['alg none', () => `Bearer ${encode({ alg: 'none' })}.${encode(claims)}.`],
  ['alg none with a signature', () => `Bearer ${token(claims, { header: { alg: 'none' } })}`],
  [
    'alg HS512 under the right key',
    () =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS512' })
        .sign(Buffer.from(JWT_SECRET))
        .then((jwt) => `Bearer ${jwt}`),
  ],
  [
    'alg RS256',
    () =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256' })
        .sign(privateKey)
        .then((jwt) => `Bearer ${jwt}`),
  ],
  ['no alg', () => `Bearer ${token(claims, { header: { typ: 'JWT' } })}`],
  [
    'a critical header nobody knows',
    () => `Bearer ${token(claims, { header: { alg: 'HS256', crit: ['c4n4ry'], c4n4ry: 1 } })}`,
  ],
  [
    'a key of its own',
    () => `Bearer ${token(claims, { header: { alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }, secret: '\0\0\0' })}`,
  ],
  ['another key', () => `Bearer ${token(claims, { secret: `${JWT_SECRET}x` })}`],
  ['an empty key', () => `Bearer ${token(claims, { secret: '' })}`],
  [
    'another payload under the signature',
    () => `Bearer ${token().replace(/\.[\w-]+\./, `.${encode({ ...claims, sub: 'eve' })}.`)}`,
  ],
  ['an end that has passed', () => `Bearer ${token({ ...claims, exp: NOW - 61 })}`],
  ['a beginning still to come', () => `Bearer ${token({ ...claims, nbf: NOW + 120 })}`],
  ['no end', () => `Bearer ${token(without('exp'))}`],
  ['an end that is text', () => `Bearer ${token({ ...claims, exp: String(NOW + 600) })}`],
  ['no subject', () => `Bearer ${token(without('sub'))}`],
  ['an empty subject', () => `Bearer ${token({ ...claims, sub: '' })}`],
  ['a subject that is no text', () => `Bearer ${token({ ...claims, sub: { $ne: 'c4n4ry' } })}`],
  ['no scope', () => `Bearer ${token(without('scope'))}`],
  ['an empty scope', () => `Bearer ${token({ ...claims, scope: '' })}`],
  ['an id that is no text', () => `Bearer ${token({ ...claims, jti: 4711 })}`],
  ['an issue in the future', () => `Bearer ${token({ ...claims, iat: NOW + 120 })}`],
  ['an issue that is text', () => `Bearer ${token({ ...claims, iat: String(NOW) })}`],
  ['a life of a day and a second', () => `Bearer ${token({ ...claims, iat: NOW, exp: NOW + 86_401 })}`],
  ['an end in the year 9999', () => `Bearer ${token({ ...claims, exp: 253_402_300_799 })}`],
  ['a scope that is a list', () => `Bearer ${token({ ...claims, scope: ['events:read'] })}`],
  ['no tenant', () => `Bearer ${token(without('tenant'))}`],
  ['a tenant that is a list', () => `Bearer ${token({ ...claims, tenant: ['default'] })}`],
  ['a tenant of the store’s own', () => `Bearer ${token({ ...claims, tenant: '_system' })}`],
  ['a tenant with a key’s punctuation', () => `Bearer ${token({ ...claims, tenant: 'default:c4n4ry}' })}`],
  ['claims that are a list', () => `Bearer ${token([claims])}`],
])('%s is answered 401 and learns nothing more', async (_, authorization) => {
  const { status, body } = await ask(await authorization());
  expect(status).toBe(401);
  expect(body).toBe((await ask(undefined)).body);
});

test('an end a minute ago is still forgiven: clocks differ', async () => {
  expect((await ask(`Bearer ${token({ ...claims, exp: NOW - 30 })}`)).status).toBe(200);
});

test.each([
  ['events:write', 'GET', '/events', 403],
  ['events:read', 'POST', '/events/ev_00000000000000000000000000/park', 403],
  ['events:read', 'POST', '/events/ev_00000000000000000000000000/redrive', 403],
  ['events:readx xevents:read events: read', 'GET', '/events', 403],
  ['EVENTS:READ', 'GET', '/events', 403],
  ['events:*', 'GET', '/events', 403],
  ['events:write events:read', 'GET', '/events', 200],
  ['openid events:read c4n4ry', 'GET', '/events', 200],
])('the scope “%s” on %s %s gets %i', async (scope, method, path, expected) => {
  const { status, body } = await ask(`Bearer ${token({ ...claims, scope })}`, path, method);
  expect(status).toBe(expected);
  if (status === 403) {
    expect(JSON.parse(body)).toMatchObject({
      title: 'The token does not allow this',
      status: 403,
      code: 'ERR_FORBIDDEN',
    });
    expect(body).not.toContain('c4n4ry');
  }
});

test('without a secret in the configuration nobody gets in, with an empty key least of all', async () => {
  await gate.stop();
  gate = await openGate({ api: { jwtSecret: undefined } });
  for (const secret of [JWT_SECRET, 'undefined', '']) {
    expect((await ask(`Bearer ${token(claims, { secret })}`)).status).toBe(401);
  }
});

test('earlier secrets still verify, and others do not', async () => {
  await gate.stop();
  gate = await openGate({ api: { jwtPreviousSecrets: ['an-earlier-secret-of-thirty-two-bytes', `${JWT_SECRET}-2`] } });
  const statuses = await Promise.all(
    [JWT_SECRET, 'an-earlier-secret-of-thirty-two-bytes', `${JWT_SECRET}-2`, `${JWT_SECRET}-3`].map(
      async (secret) => (await ask(`Bearer ${token(claims, { secret })}`)).status,
    ),
  );
  expect(statuses).toEqual([200, 200, 200, 401]);
});

test('an audience may be one of a list', async () => {
  await gate.stop();
  gate = await openGate({ api: { jwtAudience: 'sallyport' } });
  const fate = async (aud: unknown) => (await ask(`Bearer ${token({ ...claims, aud })}`)).status;
  expect([await fate('sallyport'), await fate(['other', 'sallyport'])]).toEqual([200, 200]);
  expect([await fate(['other']), await fate([]), await fate(undefined), await fate([['sallyport']])]).toEqual([
    401, 401, 401, 401,
  ]);
});

test('a token may live for a day, whatever its clock says within a minute', async () => {
  expect((await ask(`Bearer ${token({ ...claims, iat: NOW, exp: NOW + 86_400 })}`)).status).toBe(200);
  expect((await ask(`Bearer ${token({ ...claims, iat: NOW + 30, exp: NOW + 86_430 })}`)).status).toBe(200);
  expect((await ask(`Bearer ${token({ ...claims, exp: NOW + 86_400 })}`)).status).toBe(200);
});

test('a store that cannot be asked for revocations lets nobody in', async () => {
  const { store } = gate;
  Object.assign(store.records, {
    get: async () => {
      throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
    },
  });
  expect((await ask(`Bearer ${token()}`)).status).toBe(503);
});

test('health and hooks ask for no token', async () => {
  expect((await postSlack(gate.app, message({ text: 'hi' }))).status).toBe(200);
});
