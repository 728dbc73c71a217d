import { z } from 'zod';
import { SallyportError } from '../../../core/errors.ts';
import { createTokenVerifier, type TokenVerifierOptions } from '../../../net/jwt/token-verifier.ts';

/** The application that publishes change notifications (learn.microsoft.com/graph/change-notifications-with-resource-data). */
const PUBLISHER = '0bf30f3b-4a52-48df-9a82-234910c4a086';

/** Clock difference between Entra and us that is forgiven. */
const TOLERANCE_MS = 60_000;

/**
 * `appid` belongs to tokens of version 1.0 and `azp` to those of 2.0. Looking only at one of them, as published code
 * does, lets anybody in whose own application may put what it likes into the other.
 */
const claimsSchema = z.looseObject({
  tid: z.string().min(1),
  ver: z.enum(['1.0', '2.0']),
  appid: z.string().optional(),
  azp: z.string().optional(),
});
type Claims = z.infer<typeof claimsSchema>;

export interface PublisherDeps extends Pick<TokenVerifierOptions<Claims>, 'jwks' | 'clock'> {
  /** `GRAPH_CLIENT_ID`: whom the tokens are made out to. */
  readonly clientId: string;
}

/**
 * Proves that Microsoft sent a rich notification. Resolves with the Entra tenant (lower case) the token speaks for.
 * @throws SallyportError ERR_TOKEN_*, or ERR_KEYS_UNAVAILABLE when the keys can be neither fetched nor remembered
 */
export type VerifyPublisher = (token: string) => Promise<string>;

export function createPublisherVerifier({ jwks, clock, clientId }: PublisherDeps): VerifyPublisher {
  const verify = createTokenVerifier<Claims>({
    jwks,
    clock,
    claims: claimsSchema,
    audiences: [clientId],
    issuers: ({ tid, ver }) => [
      ver === '1.0' ? `https://sts.windows.net/${tid}/` : `https://login.microsoftonline.com/${tid}/v2.0`,
    ],
    toleranceMs: TOLERANCE_MS,
  });
  return async (token) => {
    const { claims } = await verify(token);
    if ((claims.ver === '1.0' ? claims.appid : claims.azp) !== PUBLISHER) {
      throw new SallyportError('ERR_TOKEN_SENDER', 'the token belongs to another application');
    }
    return claims.tid.toLowerCase();
  };
}
