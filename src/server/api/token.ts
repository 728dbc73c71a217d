import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { toUtf8 } from '../../core/crypto/encoding.ts';
import { tenantName } from '../../core/setting-values.ts';
import type { Jwks } from '../../net/jwt/jwks.ts';
import { createSecretVerifier, createTokenVerifier, type VerifyToken } from '../../net/jwt/token-verifier.ts';

/** Clock difference between issuer and us that is forgiven, in ms. */
export const SKEW_MS = 60_000;

/** The claims the API relies on. A claim of another type is no claim, so that a token id can always be revoked. */
const apiClaims = z.object({
  sub: z.string().min(1),
  tenant: tenantName,
  /** Separated by blanks. */
  scope: z.string().min(1),
  jti: z.string().min(1).optional(),
  /** Seconds since the epoch. */
  iat: z.number().optional(),
});
export type ApiClaims = z.output<typeof apiClaims>;

export interface TokenSettings {
  readonly jwtSecret?: string | undefined;
  readonly jwtPreviousSecrets?: readonly string[] | undefined;
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
}

/**
 * Verifies tokens of the API: by the published keys of their issuer, where `jwks` is given, else by the secrets. Which of
 * them it is is configured and never taken from a token. Null when neither is configured.
 */
export function createApiVerifier(
  { jwtSecret, jwtPreviousSecrets = [], jwtIssuer, jwtAudience }: TokenSettings,
  jwks: Jwks | null,
  clock: Clock,
): VerifyToken<ApiClaims> | null {
  const listOf = (value: string | undefined) => (value === undefined ? undefined : [value]);
  const [issuers, audiences] = [listOf(jwtIssuer), listOf(jwtAudience)];
  const common = { claims: apiClaims, clock, toleranceMs: SKEW_MS };
  const lenient = { ...common, isIssuedAtRequired: false, isAudienceListAccepted: true };
  if (jwks !== null) {
    const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;
    // The configuration requires both; without them a token of the issuer for another service would be accepted.
    return createTokenVerifier({ ...lenient, jwks, algorithms, issuers: issuers ?? [], audiences: audiences ?? [] });
  }
  if (jwtSecret === undefined) return null;
  const secrets = [jwtSecret, ...jwtPreviousSecrets].map(toUtf8);
  return createSecretVerifier({ ...lenient, secrets, issuers, audiences });
}
