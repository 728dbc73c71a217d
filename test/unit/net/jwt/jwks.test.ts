import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseKeySet } from '../../../../src/net/jwt/key-set.ts';
import { type KeyServer, startKeyServer } from '../../../../src/testing/keys/key-server.ts';
import { createSigningKey, signingKey } from '../../../../src/testing/keys/signing-key.ts';
import { clock, codeOf, issuerKey, jwksAt, secondKey } from './harness.ts';

let server: KeyServer;
beforeEach(async () => {
  server = await startKeyServer([issuerKey]);
});
afterEach(() => server.stop());

const COOLDOWN_MS = 30_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

test('a thousand lookups at once fetch the keys once', async () => {
  const jwks = jwksAt(server.jwksUrl);
  const found = await Promise.all(Array.from({ length: 1000 }, () => jwks.find('issuer-1')));
  expect(found.every((keys) => keys.length === 1)).toBe(true);
  expect(server.requests()).toBe(1);
});

test('a thousand unknown key ids cost at most two fetches, one after another as well as at once', async () => {
  const jwks = jwksAt(server.jwksUrl);
  await jwks.find('issuer-1');
  clock.advance(COOLDOWN_MS);
  for (let i = 0; i < 500; i += 1) expect(await jwks.find(`forged-${i}`)).toEqual([]);
  await Promise.all(Array.from({ length: 500 }, (_, i) => jwks.find(`forged-too-${i}`)));
  expect(server.requests()).toBe(2);
});

test('a key published since is found on its first use once the cooldown is over, and not before', async () => {
  const jwks = jwksAt(server.jwksUrl);
  await jwks.find('issuer-1');
  server.publish([issuerKey, secondKey]);
  clock.advance(COOLDOWN_MS - 1);
  expect(await jwks.find('issuer-2')).toEqual([]);
  clock.advance(1);
  expect(await jwks.find('issuer-2')).toHaveLength(1);
  expect(server.requests()).toBe(2);
});

test('a key that was withdrawn is refused after the refresh that its age asks for', async () => {
  const jwks = jwksAt(server.jwksUrl, { maxAgeMs: HOUR_MS });
  server.publish([issuerKey, secondKey]);
  await jwks.find('issuer-1');
  server.publish([secondKey]);
  clock.advance(HOUR_MS);
  expect(await jwks.find('issuer-1')).toEqual([]);
});

test('an old set is fetched anew before it is used, an ageing one behind the back of a delivery', async () => {
  let isStuck = false;
  const sometimesStuck: typeof fetch = (...args) => (isStuck ? new Promise(() => {}) : fetch(...args));
  const jwks = jwksAt(server.jwksUrl, { maxAgeMs: HOUR_MS, fetch: sometimesStuck });
  await jwks.find('issuer-1');
  clock.advance(HOUR_MS);
  await jwks.find('issuer-1');
  expect(server.requests()).toBe(2);
  isStuck = true;
  clock.advance(0.9 * HOUR_MS);
  // The fetch that this starts never ends; a delivery that waited for it would never be answered.
  expect(await jwks.find('issuer-1')).toHaveLength(1);
});

test('the issuer may shorten the age by max-age, but not below the cooldown', async () => {
  const impatient = await startKeyServer([issuerKey], { cacheControl: 'public, max-age=1' });
  try {
    const jwks = jwksAt(impatient.jwksUrl);
    await jwks.find('issuer-1');
    clock.advance(COOLDOWN_MS - 10_000);
    await jwks.find('issuer-1');
    expect(impatient.requests()).toBe(1);
    clock.advance(10_000);
    await jwks.find('issuer-1');
    expect(impatient.requests()).toBe(2);
  } finally {
    await impatient.stop();
  }
});

test.each(['error', 'garbage', 'huge', 'redirect'] as const)(
  'known keys are served for days while the issuer answers with %s, then no longer',
  async (mode) => {
    const jwks = jwksAt(server.jwksUrl);
    await jwks.find('issuer-1');
    server.behave(mode);
    clock.advance(2 * DAY_MS);
    expect(await jwks.find('issuer-1')).toHaveLength(1);
    clock.advance(DAY_MS);
    expect(await codeOf(jwks.find('issuer-1'))).toBe('ERR_KEYS_UNAVAILABLE');
    server.behave('ok');
    clock.advance(1000);
    expect(await jwks.find('issuer-1')).toHaveLength(1);
  },
);

test('without any key the issuer is asked again after a second, not for every delivery', async () => {
  server.behave('error');
  const jwks = jwksAt(server.jwksUrl);
  for (let i = 0; i < 50; i += 1) expect(await codeOf(jwks.find('issuer-1'))).toBe('ERR_KEYS_UNAVAILABLE');
  expect(server.requests()).toBe(1);
  server.behave('ok');
  clock.advance(1000);
  expect(await jwks.find('issuer-1')).toHaveLength(1);
});

test('an issuer that never answers is given up on', async () => {
  server.behave('hang');
  expect(await codeOf(jwksAt(server.jwksUrl).find('issuer-1'))).toBe('ERR_KEYS_UNAVAILABLE');
});

test('while the issuer is silent an unknown id may be its newest key, so the sender is not blamed', async () => {
  const jwks = jwksAt(server.jwksUrl);
  await jwks.find('issuer-1');
  server.behave('error');
  clock.advance(COOLDOWN_MS);
  expect(await codeOf(jwks.find('issuer-2'))).toBe('ERR_KEYS_UNAVAILABLE');
  expect(await jwks.find('issuer-1')).toHaveLength(1);
});

test('a clock that is set back does not keep old keys alive', async () => {
  const jwks = jwksAt(server.jwksUrl);
  await jwks.find('issuer-1');
  server.publish([secondKey]);
  clock.advance(-DAY_MS);
  expect(await jwks.find('issuer-2')).toHaveLength(1);
  clock.advance(DAY_MS);
});

test('keys are found through OpenID metadata', async () => {
  expect(await jwksAt(server.openidUrl, { kind: 'openid' }).find('issuer-1')).toHaveLength(1);
});

test('ids that collide keep all their keys, and endorsements stay with theirs', () => {
  const twin = createSigningKey({ kid: 'issuer-1', endorsements: ['msteams'] });
  const keys = parseKeySet({ keys: [issuerKey.jwk, twin.jwk] }).get('issuer-1');
  expect(keys?.map(({ endorsements }) => endorsements)).toEqual([undefined, ['msteams']]);
});

test('of a key set only public signature keys with an id are kept, without their private or pointing members', () => {
  const { kid: _, ...withoutId } = issuerKey.jwk;
  const keys = parseKeySet({
    keys: [
      { ...issuerKey.jwk, d: 'secret', x5u: 'https://elsewhere.example', x5c: ['AA=='] },
      { kty: 'oct', kid: 'shared', k: 'c2VjcmV0' },
      { ...issuerKey.jwk, kid: 'encryption', use: 'enc' },
      withoutId,
      'nonsense',
    ],
  });
  expect([...keys.keys()]).toEqual(['issuer-1']);
  expect(Object.keys(keys.get('issuer-1')?.[0]?.jwk ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
});

test.each([{}, { keys: [] }, { keys: 'x' }, null, { keys: Array.from({ length: 100 }, () => issuerKey.jwk) }])(
  'something that is no usable key set counts as unreachable (%#)',
  (document) => {
    expect(() => parseKeySet(document)).toThrow(expect.objectContaining({ code: 'ERR_KEYS_UNAVAILABLE' }));
  },
);

test('a key made from a pair that is already there publishes the same public key', () => {
  expect(signingKey(issuerKey).jwk).toEqual(issuerKey.jwk);
});
