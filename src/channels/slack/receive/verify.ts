import type { Crypto } from '../../../core/crypto/crypto.ts';
import { toUtf8 } from '../../../core/crypto/encoding.ts';
import { type ErrorCode, SallyportError } from '../../../core/errors.ts';
import { decodeText, type JsonObject, type JsonValue, parseJsonText } from '../../../core/json/json-text.ts';
import type { Delivery, DeliveryHeaders } from '../../channel.ts';

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

/** Why Slack sends a delivery again (docs.slack.dev/apis/events-api, "Errors"). */
const RETRY_REASONS: ReadonlySet<string> = new Set([
  ...['http_timeout', 'too_many_redirects', 'connection_failed', 'ssl_error', 'http_error', 'unknown_error'],
]);

/**
 * Undefined for a first try. Only for a metric: the signature does not cover these headers, and a retry is never treated
 * differently.
 */
export function retryOf(headers: DeliveryHeaders): string | undefined {
  if (headers.get('x-slack-retry-num') === null) return undefined;
  const reason = headers.get('x-slack-retry-reason') ?? '';
  return RETRY_REASONS.has(reason) ? reason : 'other';
}

/** A form's fields, or the JSON that is the body or sits in the form's `payload` field. */
export type SlackBody =
  | { readonly kind: 'json'; readonly value: JsonValue }
  | { readonly kind: 'form'; readonly fields: JsonObject };

const FORM = 'application/x-www-form-urlencoded';

/** The media type alone: `; charset=utf-8` and other parameters change nothing, both types are UTF-8. */
function mediaType(delivery: Delivery): string {
  const header = delivery.headers.get('content-type') ?? '';
  return (header.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/**
 * Slack's certificate check: a form with `ssl_check=1`, not signed (docs.slack.dev/interactivity/implementing-slash-commands).
 * Only the exact value counts, and whoever answers it must not look at the rest of the body.
 */
export function isSslCheck(delivery: Delivery): boolean {
  if (mediaType(delivery) !== FORM || delivery.body.length > SSL_CHECK_MAX_BYTES) return false;
  const values = new URLSearchParams(new TextDecoder().decode(delivery.body)).getAll('ssl_check');
  return values.length === 1 && values[0] === '1';
}

/** The check carries a token besides. The bound is what we parse for anybody who has proved nothing. */
const SSL_CHECK_MAX_BYTES = 4096;

/** @throws SallyportError ERR_BODY_UNPARSABLE unless it is a form or JSON by its media type and its content. */
export function readBody(delivery: Delivery): SlackBody {
  const type = mediaType(delivery);
  if (type === 'application/json') return { kind: 'json', value: parseJsonText(decodeText(delivery.body)) };
  if (type !== FORM) throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is neither JSON nor a form');
  const form = new URLSearchParams(decodeText(delivery.body));
  const payload = form.get('payload');
  if (payload !== null) return { kind: 'json', value: parseJsonText(payload) };
  form.delete('__proto__');
  return { kind: 'form', fields: Object.fromEntries(form) };
}
