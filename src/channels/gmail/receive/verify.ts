import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';
import { bearerToken } from '../../../net/jwt/bearer.ts';
import type { Jwks } from '../../../net/jwt/jwks.ts';
import { rememberTokens } from '../../../net/jwt/remember-tokens.ts';
import { createTokenVerifier } from '../../../net/jwt/token-verifier.ts';
import type { DeliveryHead } from '../../channel.ts';

/** Google's documentation writes the first; its own library accepts the second as well. */
const ISSUERS = ['https://accounts.google.com', 'accounts.google.com'];

/** Clock difference between Google and us that is forgiven, in ms. */
const SKEW_MS = 60_000;

/** `email_verified` is compared below: the text "true" is not a missing claim but somebody else's idea of a token. */
const claims = z.object({ email: z.string(), email_verified: z.unknown() });

export interface PushVerifierDeps {
  /** Google's keys. */
  readonly jwks: Jwks;
  readonly clock: Clock;
  /** The audience configured on the push subscription, exactly. */
  readonly audience: string;
  /** E-mail of the service account configured on the push subscription, exactly. */
  readonly serviceAccount: string;
}

/**
 * @throws SallyportError ERR_TOKEN_* unless our own push subscription made this request within the hour, or
 *   ERR_KEYS_UNAVAILABLE
 */
export type VerifyPush = (head: DeliveryHead) => Promise<void>;

/**
 * Checks the OIDC token of a Pub/Sub push (docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions). The
 * audience alone proves nothing: any service account of anybody's can get a Google token for any audience.
 */
export function createPushVerifier({ jwks, clock, audience, serviceAccount }: PushVerifierDeps): VerifyPush {
  const options = { jwks, issuers: ISSUERS, audiences: [audience], claims, clock, toleranceMs: SKEW_MS };
  const verify = rememberTokens(createTokenVerifier(options), { clock });
  return async ({ headers }) => {
    const { email, email_verified } = (await verify(bearerToken(headers.get('authorization')))).claims;
    if (email !== serviceAccount || email_verified !== true) {
      throw new SallyportError('ERR_TOKEN_SENDER', 'the token belongs to another account');
    }
  };
}
