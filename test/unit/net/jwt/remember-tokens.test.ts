import { afterAll, beforeAll, expect, test } from 'vitest';
import { rememberTokens } from '../../../../src/net/jwt/remember-tokens.ts';
import type { VerifyToken } from '../../../../src/net/jwt/token-verifier.ts';
import { type KeyServer, startKeyServer } from '../../../../src/testing/keys/key-server.ts';
import { forgeToken, signToken } from '../../../../src/testing/keys/signing-key.ts';
import { clock, codeOf, honest, issuerKey, jwksAt, verifierOf } from './harness.ts';

let server: KeyServer;
beforeAll(async () => {
  server = await startKeyServer([issuerKey]);
});
afterAll(() => server.stop());

/** A verifier that remembers, and how often it really looked. */
function remembering(options: { maxTokens?: number; forMs?: number } = {}) {
  let looks = 0;
  const verify = verifierOf(jwksAt(server.jwksUrl));
  const counted: VerifyToken<{ email: string }> = (token) => {
    looks += 1;
    return verify(token);
  };
  return { verify: rememberTokens(counted, { clock: clock.now, ...options }), looks: () => looks };
}

test('a token is looked at once, and again after five minutes', async () => {
  const { verify, looks } = remembering();
  const token = signToken(honest(), issuerKey);
  const first = await verify(token);
  expect(await verify(token)).toEqual(first);
  clock.advance(5 * 60_000 - 1);
  await verify(token);
  expect(looks()).toBe(1);
  clock.advance(1);
  await verify(token);
  expect(looks()).toBe(2);
});

test('a token that was good is refused once it has expired', async () => {
  const { verify } = remembering({ forMs: 86_400_000 });
  const token = signToken(honest(), issuerKey);
  await verify(token);
  clock.advance(3600_000 + 60_000);
  expect(await codeOf(verify(token))).toBe('ERR_TOKEN_EXPIRED');
});

test('what was refused is looked at every time, and nothing but the very token is believed', async () => {
  const { verify, looks } = remembering();
  const token = signToken(honest(), issuerKey);
  await verify(token);
  const forged = forgeToken(honest(), issuerKey, 'colliding-kid');
  expect([await codeOf(verify(forged)), await codeOf(verify(forged))]).toEqual([
    'ERR_TOKEN_SIGNATURE_MISMATCH',
    'ERR_TOKEN_SIGNATURE_MISMATCH',
  ]);
  const [header, claims] = token.split('.');
  expect(await codeOf(verify(`${header}.${claims}.${forged.split('.')[2]}`))).toBe('ERR_TOKEN_SIGNATURE_MISMATCH');
  expect(looks()).toBe(4);
});

test('a clock that is set back has everything looked at again', async () => {
  const { verify, looks } = remembering();
  const token = signToken(honest(), issuerKey);
  await verify(token);
  clock.advance(-1);
  await verify(token);
  expect(looks()).toBe(2);
  clock.advance(1);
});

test('only so many are kept, the latest', async () => {
  const { verify, looks } = remembering({ maxTokens: 2 });
  const tokens = ['1', '2', '3'].map((sub) => signToken(honest({ sub }), issuerKey));
  for (const token of tokens) await verify(token);
  await verify(tokens[2] ?? '');
  await verify(tokens[1] ?? '');
  expect(looks()).toBe(3);
  await verify(tokens[0] ?? '');
  expect(looks()).toBe(4);
});
