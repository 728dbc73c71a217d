import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isFailedProof, SallyportError, tokenErrorCodes } from '../../../../src/core/errors.ts';
import { bearerToken } from '../../../../src/net/jwt/bearer.ts';
import type { VerifyToken } from '../../../../src/net/jwt/token-verifier.ts';
import { type KeyServer, startKeyServer } from '../../../../src/testing/keys/key-server.ts';
import {
  createSigningKey,
  forgeToken,
  signToken,
  type TokenForgery,
  tokenForgeries,
} from '../../../../src/testing/keys/signing-key.ts';
import { AUDIENCE, clock, codeOf, honest, ISSUER, issuerKey, jwksAt, verifierOf } from './harness.ts';

let server: KeyServer;
let foreign: KeyServer;
let verify: VerifyToken<{ email: string }>;
const endorsed = createSigningKey({ kid: 'endorsed', endorsements: ['msteams', 'webchat'] });

beforeAll(async () => {
  server = await startKeyServer([issuerKey, endorsed]);
  foreign = await startKeyServer([createSigningKey({ kid: issuerKey.kid })]);
  verify = verifierOf(jwksAt(server.jwksUrl));
});
afterAll(() => Promise.all([server.stop(), foreign.stop()]));

const now = (): number => Math.floor(clock.now() / 1000);

describe('an honest token', () => {
  test('gives its claims and the time it ends', async () => {
    const verified = await verify(signToken(honest(), issuerKey));
    expect(verified).toEqual({
      claims: { email: 'a@example.com' },
      endorsements: undefined,
      expiresAt: (now() + 3600) * 1000,
    });
  });

  test('gives the endorsements of the key that signed it', async () => {
    expect((await verify(signToken(honest(), endorsed))).endorsements).toEqual(['msteams', 'webchat']);
  });

  test('is found by the right one of two keys with the same id', async () => {
    const twins = await startKeyServer([createSigningKey({ kid: issuerKey.kid }), issuerKey]);
    try {
      expect(await codeOf(verifierOf(jwksAt(twins.jwksUrl))(signToken(honest(), issuerKey)))).toBe('none');
    } finally {
      await twins.stop();
    }
  });
});

const forgeryCodes: Readonly<Record<TokenForgery, string>> = {
  'alg-none': 'ERR_TOKEN_ALGORITHM',
  'hs256-public-key': 'ERR_TOKEN_ALGORITHM',
  'unknown-kid': 'ERR_TOKEN_KEY_UNKNOWN',
  'colliding-kid': 'ERR_TOKEN_SIGNATURE_MISMATCH',
  'embedded-jwk': 'ERR_TOKEN_SIGNATURE_MISMATCH',
  'foreign-jku': 'ERR_TOKEN_SIGNATURE_MISMATCH',
  'foreign-x5u': 'ERR_TOKEN_SIGNATURE_MISMATCH',
  'altered-claims': 'ERR_TOKEN_SIGNATURE_MISMATCH',
  'no-kid': 'ERR_TOKEN_MALFORMED',
};

test.each(tokenForgeries)('%s is refused, and no address in the header is asked', async (forgery) => {
  expect(await codeOf(verify(forgeToken(honest(), issuerKey, forgery, foreign.jwksUrl)))).toBe(forgeryCodes[forgery]);
  expect(foreign.requests()).toBe(0);
});

test.each([
  ['no exp', { exp: undefined }, 'ERR_TOKEN_CLAIM'],
  ['no iat', { iat: undefined }, 'ERR_TOKEN_CLAIM'],
  ['no aud', { aud: undefined }, 'ERR_TOKEN_CLAIM'],
  ['no iss', { iss: undefined }, 'ERR_TOKEN_CLAIM'],
  ['a textual exp', { exp: String(now() + 3600) }, 'ERR_TOKEN_CLAIM'],
  ['a missing claim of the caller', { email: undefined }, 'ERR_TOKEN_CLAIM'],
  ['a claim of another type', { email: ['a@example.com'] }, 'ERR_TOKEN_CLAIM'],
  ['another audience', { aud: 'https://other.example' }, 'ERR_TOKEN_AUDIENCE'],
  ['the audience in other letters', { aud: AUDIENCE.toUpperCase() }, 'ERR_TOKEN_AUDIENCE'],
  ['the audience and another one', { aud: [AUDIENCE, 'https://other.example'] }, 'ERR_TOKEN_AUDIENCE'],
  ['an empty audience', { aud: '' }, 'ERR_TOKEN_AUDIENCE'],
  ['another issuer', { iss: 'https://other.example' }, 'ERR_TOKEN_ISSUER'],
  ['a longer issuer', { iss: `${ISSUER}/` }, 'ERR_TOKEN_ISSUER'],
  ['an exp of a minute and a second ago', { exp: now() - 61 }, 'ERR_TOKEN_EXPIRED'],
  ['an nbf ahead of the tolerance', { nbf: now() + 62 }, 'ERR_TOKEN_EXPIRED'],
  ['an iat ahead of the tolerance', { iat: now() + 62 }, 'ERR_TOKEN_EXPIRED'],
] as const)('a genuine token with %s is refused', async (_, overrides, code) => {
  expect(await codeOf(verify(signToken(honest(overrides), issuerKey)))).toBe(code);
});

test('the tolerance forgives a clock that is half a minute off, both ways', async () => {
  const late = signToken(honest({ exp: now() - 30 }), issuerKey);
  const early = signToken(honest({ iat: now() + 30, nbf: now() + 30 }), issuerKey);
  expect([await codeOf(verify(late)), await codeOf(verify(early))]).toEqual(['none', 'none']);
  const strict = verifierOf(jwksAt(server.jwksUrl), { toleranceMs: 0 });
  expect([await codeOf(strict(late)), await codeOf(strict(early))]).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_EXPIRED']);
});

test('the issuer may be a function of the verified claims', async () => {
  const perAddress = verifierOf(jwksAt(server.jwksUrl), {
    issuers: ({ email }) => [`https://issuer.example/${email}`],
  });
  expect(await codeOf(perAddress(signToken(honest({ iss: 'https://issuer.example/a@example.com' }), issuerKey)))).toBe(
    'none',
  );
  expect(await codeOf(perAddress(signToken(honest({ iss: 'https://issuer.example/b@example.com' }), issuerKey)))).toBe(
    'ERR_TOKEN_ISSUER',
  );
});

test('an issuer that writes no iat may be told so; one that is there still counts', async () => {
  const lenient = verifierOf(jwksAt(server.jwksUrl), { isIssuedAtRequired: false });
  const fate = (iat: unknown) => codeOf(lenient(signToken(honest({ iat }), issuerKey)));
  expect([await fate(undefined), await fate(now())]).toEqual(['none', 'none']);
  expect([await fate(now() + 62), await fate(String(now()))]).toEqual(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_CLAIM']);
});

test('a header that demands an extension we do not know is refused', async () => {
  const token = signToken(honest(), issuerKey, { crit: ['exp-plus'], 'exp-plus': true });
  expect(await codeOf(verify(token))).not.toBe('none');
});

test.each(['', 'x', 'a.b', 'a.b.c', '..', 'e30.e30.', `${'a'.repeat(9000)}.b.c`])('%# is no token', async (token) => {
  expect(['ERR_TOKEN_MALFORMED', 'ERR_TOKEN_ALGORITHM']).toContain(await codeOf(verify(token)));
});

test('no error, nor anything in it, holds a word of the token or its claims', async () => {
  const secret = 'mark-4711@example.com';
  for (const overrides of [{ aud: 'x' }, { exp: 1 }, { exp: undefined }, { iss: 'x' }, { nbf: now() * 2 }]) {
    const token = signToken(honest({ ...overrides, email: secret }), issuerKey);
    const error: unknown = await verify(token).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SallyportError);
    const { message, stack, cause } = error as SallyportError;
    expect(cause).toBeUndefined();
    expect(`${message} ${stack} ${JSON.stringify(error)}`).not.toMatch(/mark-4711|eyJ/);
  }
});

test('every refusal of a token counts as a failed proof, an issuer that cannot be reached does not', () => {
  expect(tokenErrorCodes.every(isFailedProof)).toBe(true);
  expect(isFailedProof('ERR_KEYS_UNAVAILABLE')).toBe(false);
});

describe('the authorization header', () => {
  test('gives its bearer token, whatever the letters of the scheme', () => {
    expect([bearerToken('Bearer a.b.c'), bearerToken('bearer a.b.c')]).toEqual(['a.b.c', 'a.b.c']);
  });

  test.each([
    [null, 'ERR_TOKEN_MISSING'],
    ['', 'ERR_TOKEN_MISSING'],
    ['Bearer', 'ERR_TOKEN_MALFORMED'],
    ['Bearer ', 'ERR_TOKEN_MALFORMED'],
    ['Basic a.b.c', 'ERR_TOKEN_MALFORMED'],
    ['Bearer  a.b.c', 'ERR_TOKEN_MALFORMED'],
    ['Bearer a.b.c, Bearer d.e.f', 'ERR_TOKEN_MALFORMED'],
    ['Bearer a.b.c.d.e', 'ERR_TOKEN_MALFORMED'],
    [`Bearer a.b.${'c'.repeat(9000)}`, 'ERR_TOKEN_MALFORMED'],
  ])('refuses anything else (%#)', (header, code) => {
    expect(() => bearerToken(header)).toThrow(expect.objectContaining({ code }));
  });
});
