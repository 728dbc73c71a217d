import { z } from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json.ts';
import { bearerToken } from '../../../net/jwt/bearer.ts';
import type { Jwks } from '../../../net/jwt/jwks.ts';
import { createTokenVerifier } from '../../../net/jwt/token-verifier.ts';
import type { DeliveryHead } from '../../channel.ts';
import type { IsServiceAllowed } from '../reply/service-hosts.ts';

/** The connector's own figure: learn.microsoft.com, Bot Connector authentication, "industry-standard clock-skew is 5 minutes". */
const TOLERANCE_MS = 300_000;

/** The claim is spelled in lower case, whatever the documentation writes. */
const botClaims = z.object({ serviceurl: z.string().min(1) });

export interface BotVerifierDeps {
  /** The keys behind the connector's OpenID document. */
  readonly jwks: Jwks;
  readonly issuer: string;
  readonly appId: string;
  readonly isServiceAllowed: IsServiceAllowed;
  readonly clock: Clock;
}

/** What a connector's token says about the activity that comes with it. A class, so that nothing else passes for it. */
export class ProvenSender {
  readonly serviceUrl: string;
  readonly endorsements: readonly string[];

  constructor(serviceUrl: string, endorsements: readonly string[]) {
    this.serviceUrl = serviceUrl;
    this.endorsements = endorsements;
  }
}

/** @throws SallyportError ERR_TOKEN_* or ERR_KEYS_UNAVAILABLE unless the connector made this token for our bot */
export type AuthenticateBot = (head: DeliveryHead) => Promise<ProvenSender>;

/**
 * Checks the connector's token before anything else of a request is looked at. A service URL outside the allow-list ends
 * it here, although the token is genuine: answering there would hand our own token to whoever is behind it.
 */
export function createBotVerifier({ appId, issuer, isServiceAllowed, ...deps }: BotVerifierDeps): AuthenticateBot {
  const verifyToken = createTokenVerifier({
    ...deps,
    issuers: [issuer],
    audiences: [appId],
    claims: botClaims,
    toleranceMs: TOLERANCE_MS,
    // The connector's tokens hold nbf and exp, and no iat.
    isIssuedAtRequired: false,
  });
  return async ({ headers }) => {
    const { claims, endorsements } = await verifyToken(bearerToken(headers.get('authorization')));
    if (endorsements === undefined || !isServiceAllowed(claims.serviceurl)) throw foreignSender();
    return new ProvenSender(claims.serviceurl, endorsements);
  };
}

/**
 * Binds the body to the token that came with it; the token says nothing else about the body.
 * @throws SallyportError ERR_TOKEN_SENDER unless the activity's service URL is the token's own and the signing key may
 *   speak for its channel
 */
export function bindActivity(proof: unknown, { serviceUrl, channelId }: JsonObject): void {
  const isBound =
    proof instanceof ProvenSender &&
    serviceUrl === proof.serviceUrl &&
    typeof channelId === 'string' &&
    proof.endorsements.includes(channelId);
  if (!isBound) throw foreignSender();
}

const foreignSender = (): SallyportError =>
  new SallyportError('ERR_TOKEN_SENDER', 'the token is not good for this activity');
