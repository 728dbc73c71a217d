import type { Crypto } from '../../../core/crypto/crypto.ts';
import { toUtf8 } from '../../../core/crypto/encoding.ts';
import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import type { DeliveryHeaders } from '../../channel.ts';

/** Slack's own figure: docs.slack.dev/authentication/verifying-requests-from-slack, "more than five minutes". */
const TOLERANCE_SECONDS = 300;

/** What Slack sends, character by character; anything looser would let one signature be spelled in several ways. */
const SIGNATURE = /^v0=[0-9a-f]{64}$/;
const TIMESTAMP = /^[0-9]{10}$/;

/** The parts of a request that its signature covers. */
export interface SignedRequest {
  readonly headers: DeliveryHeaders;
  /** Exactly the bytes that were sent. */
  readonly body: Uint8Array;
  /** Epoch milliseconds at which the request reached us. */
  readonly receivedAt: number;
}

/** @throws SallyportError ERR_SIGNATURE_* or ERR_TIMESTAMP_* unless Slack signed this request now. */
export type Verify = (request: SignedRequest) => void;

/**
 * Checks Slack's request signature, version v0. Several secrets may be given while one replaces another.
 * @throws SallyportError ERR_CONFIG_INVALID without a secret or with an empty one: everybody knows the empty key
 */
export function createVerifier(crypto: Crypto, signingSecrets: readonly string[]): Verify {
  if (signingSecrets.length === 0 || signingSecrets.some((secret) => secret.trim() === '')) {
    throw new SallyportError('ERR_CONFIG_INVALID', 'SLACK_SIGNING_SECRET: must not be empty');
  }
  // The secret is used as text: it looks like hexadecimal but Slack does not decode it.
  const keys = signingSecrets.map(toUtf8);
  return ({ headers, body, receivedAt }) => {
    const { timestamp, signature } = readHeaders(headers);
    const age = Math.floor(receivedAt / 1000) - Number(timestamp);
    // Both ways: a request dated ahead could be replayed for as long as it is ahead.
    if (Math.abs(age) > TOLERANCE_SECONDS) throw refusal('ERR_TIMESTAMP_OUTSIDE_TOLERANCE');
    let matches = false;
    for (const key of keys) {
      // Every key is tried, so that the time taken does not tell which one matched.
      matches = crypto.equalText(crypto.hmacHex(key, `v0:${timestamp}:`, body), signature) || matches;
    }
    if (!matches) throw refusal('ERR_SIGNATURE_MISMATCH');
  };
}

/** The signature without its version: 64 hexadecimal digits. */
function readHeaders(headers: DeliveryHeaders): { timestamp: string; signature: string } {
  const timestamp = headers.get('x-slack-request-timestamp');
  const signature = headers.get('x-slack-signature');
  if (!timestamp || !signature) throw refusal('ERR_SIGNATURE_MISSING');
  if (!TIMESTAMP.test(timestamp)) throw refusal('ERR_TIMESTAMP_MALFORMED');
  if (!SIGNATURE.test(signature)) throw refusal('ERR_SIGNATURE_MALFORMED');
  return { timestamp, signature: signature.slice('v0='.length) };
}

const refusal = (code: ErrorCode): SallyportError =>
  new SallyportError(code, 'the request does not carry a valid, fresh Slack signature');
