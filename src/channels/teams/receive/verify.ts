import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import type { Crypto } from '../../../core/crypto/crypto.ts';
import { sha256FromBase64 } from '../../../core/crypto/encoding.ts';
import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import { bearerToken } from '../../../net/jwt/bearer.ts';
import type { Jwks } from '../../../net/jwt/jwks.ts';
import { createTokenVerifier } from '../../../net/jwt/token-verifier.ts';
import type { Delivery, DeliveryHead } from '../../channel.ts';
import type { IsServiceAllowed } from '../reply/service-hosts.ts';

/** The connector's own figure: learn.microsoft.com, Bot Connector authentication, "industry-standard clock-skew is 5 minutes". */
const TOLERANCE_MS = 300_000;

/** The claim is spelled in lower case, whatever the documentation writes. */
const botClaims = z.object({ serviceurl: z.string().min(1) });

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
export function createBotVerifier({
  appId,
  issuer,
  isServiceAllowed,
  ...deps
}: {
  /** The keys behind the connector's OpenID document. */
  readonly jwks: Jwks;
  readonly issuer: string;
  readonly appId: string;
  readonly isServiceAllowed: IsServiceAllowed;
  readonly clock: Clock;
}): AuthenticateBot {
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

/** How far the body's own time may be from ours, both ways. There is no header with one, and Teams re-sends nothing. */
const WEBHOOK_TOLERANCE_MS = 600_000;

/** HMAC-SHA256 in base64, spelled as Teams does. */
const AUTHORIZATION = /^HMAC ([A-Za-z0-9+/]{43}=)$/;

/** ISO 8601 in UTC or with an offset, as the connector writes it: `2017-02-01T21:10:07.437Z`, up to seven decimals. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** @throws SallyportError ERR_SIGNATURE_* unless a holder of one of the security tokens wrote this body */
type VerifyWebhook = (delivery: Pick<Delivery, 'headers' | 'body'>) => void;

/**
 * Checks an outgoing webhook's HMAC. The keys are the security tokens after base64 decoding; using their text is the
 * usual mistake. @throws SallyportError ERR_CONFIG_INVALID without a key or with an empty one
 */
export function createWebhookVerifier(crypto: Crypto, keys: readonly Uint8Array[]): VerifyWebhook {
  if (keys.length === 0 || keys.some((key) => key.length === 0)) {
    throw new SallyportError('ERR_CONFIG_INVALID', 'TEAMS_OUTGOING_SECRET: must not be empty');
  }
  return ({ headers, body }) => {
    const authorization = headers.get('authorization');
    if (!authorization) throw refusal('ERR_SIGNATURE_MISSING');
    const digest = sha256FromBase64(AUTHORIZATION.exec(authorization)?.[1] ?? '');
    if (digest === null) throw refusal('ERR_SIGNATURE_MALFORMED');
    let matches = false;
    for (const key of keys) {
      // Every key is tried, so that the time taken does not tell which one matched.
      matches = crypto.equal(crypto.hmacSha256(key, body), digest) || matches;
    }
    if (!matches) throw refusal('ERR_SIGNATURE_MISMATCH');
  };
}

/**
 * The time in an authentic body is what keeps a recorded request from being sent for ever.
 * @throws SallyportError ERR_TIMESTAMP_*
 */
export function checkFreshness(timestamp: unknown, receivedAt: number): void {
  const at = typeof timestamp === 'string' && TIMESTAMP.test(timestamp) ? Date.parse(timestamp) : Number.NaN;
  if (Number.isNaN(at)) throw refusal('ERR_TIMESTAMP_MALFORMED');
  if (Math.abs(receivedAt - at) > WEBHOOK_TOLERANCE_MS) throw refusal('ERR_TIMESTAMP_OUTSIDE_TOLERANCE');
}

const refusal = (code: ErrorCode): SallyportError =>
  new SallyportError(code, 'the request does not carry a valid, fresh Teams signature');
