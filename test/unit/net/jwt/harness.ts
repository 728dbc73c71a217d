import * as z from 'zod';
import { type ErrorCode, SallyportError } from '../../../../src/core/errors.ts';
import { createJwks, type Jwks, type JwksOptions } from '../../../../src/net/jwt/jwks.ts';
import {
  createTokenVerifier,
  type TokenVerifierOptions,
  type VerifyToken,
} from '../../../../src/net/jwt/token-verifier.ts';
import { type Claims, createSigningKey, type SigningKey } from '../../../../src/testing/keys/signing-key.ts';
import { createFakeClock, type FakeClock } from '../../../support/clock.ts';

/** Made once: an RSA key takes a tenth of a second. */
export const issuerKey: SigningKey = createSigningKey({ kid: 'issuer-1' });
export const secondKey: SigningKey = createSigningKey({ kid: 'issuer-2' });

export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'https://gate.example/hooks';

export const clock: FakeClock = createFakeClock();

/** Claims of an honest token, made now and good for an hour. */
export const honest = (overrides: Claims = {}): Claims => {
  const iat = Math.floor(clock.now() / 1000);
  return { iss: ISSUER, aud: AUDIENCE, iat, exp: iat + 3600, sub: '1', email: 'a@example.com', ...overrides };
};

export const jwksAt = (url: string, overrides: Partial<JwksOptions> = {}): Jwks =>
  createJwks({ url, fetch, clock: clock.now, ...overrides });

const claims = z.object({ email: z.string() });

export const verifierOf = (
  jwks: Jwks,
  overrides: Partial<TokenVerifierOptions<{ email: string }>> = {},
): VerifyToken<{ email: string }> =>
  createTokenVerifier({
    jwks,
    issuers: [ISSUER],
    audiences: [AUDIENCE],
    claims,
    clock: clock.now,
    toleranceMs: 60_000,
    ...overrides,
  });

/** The code a promise rejects with; `none` when it resolves. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | 'none'> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof SallyportError) return error.code;
    throw error;
  }
}
