import type { Crypto } from '../../../core/crypto/crypto.ts';
import { sha256FromBase64 } from '../../../core/crypto/encoding.ts';
import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import type { Delivery } from '../../channel.ts';

/** How far the body's own time may be from ours, both ways. There is no header with one, and Teams re-sends nothing. */
const TOLERANCE_MS = 600_000;

/** HMAC-SHA256 in base64, spelled as Teams does. */
const AUTHORIZATION = /^HMAC ([A-Za-z0-9+/]{43}=)$/;

/** ISO 8601 in UTC or with an offset, as the connector writes it: `2017-02-01T21:10:07.437Z`, up to seven decimals. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** @throws SallyportError ERR_SIGNATURE_* unless a holder of one of the security tokens wrote this body */
export type VerifyWebhook = (delivery: Pick<Delivery, 'headers' | 'body'>) => void;

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
  if (Math.abs(receivedAt - at) > TOLERANCE_MS) throw refusal('ERR_TIMESTAMP_OUTSIDE_TOLERANCE');
}

const refusal = (code: ErrorCode): SallyportError =>
  new SallyportError(code, 'the request does not carry a valid, fresh Teams signature');
