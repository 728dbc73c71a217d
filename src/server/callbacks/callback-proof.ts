import type { DeliveryHeaders } from '../../channels/channel.ts';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { sha256FromBase64, toUtf8 } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';

/** Standard Webhooks, "Verifying webhook authenticity": five minutes, both ways. In seconds. */
const TOLERANCE = 300;

/** Without a dot: dots separate the parts of what is signed, and an id with one could be read as id and time. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,255}$/;
const TIMESTAMP = /^[1-9]\d{0,11}$/;
/** 32 bytes in base64. */
const SIGNATURE = /^v1,([A-Za-z0-9+/]{43}=)$/;
/** A sender that rotates signs with the old and the new secret. */
const MAX_SIGNATURES = 8;

/**
 * Checks the Standard Webhooks signature of a body. Our own and not the package's, which signs what the bytes decode to and
 * the number that the timestamp reads as: other bytes and other spellings would pass with the same signature.
 * @throws SallyportError ERR_SIGNATURE_MISSING, _MALFORMED or _MISMATCH, ERR_TIMESTAMP_MALFORMED or _OUTSIDE_TOLERANCE
 */
export function proveCallback(
  headers: DeliveryHeaders,
  body: Uint8Array,
  keys: readonly Uint8Array[],
  crypto: Crypto,
  now: number,
): void {
  const [id, timestamp, header] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((n) => headers.get(n));
  if (!id || !timestamp || !header) throw new SallyportError('ERR_SIGNATURE_MISSING', 'the callback is not signed');
  if (!TIMESTAMP.test(timestamp)) throw new SallyportError('ERR_TIMESTAMP_MALFORMED', 'the timestamp is none');
  const given = signaturesOf(header);
  if (!ID.test(id) || given.length === 0) throw new SallyportError('ERR_SIGNATURE_MALFORMED', 'the signature is none');
  if (Math.abs(Math.floor(now / 1000) - Number(timestamp)) > TOLERANCE) {
    throw new SallyportError('ERR_TIMESTAMP_OUTSIDE_TOLERANCE', 'the callback is not of now');
  }
  const signed = toUtf8(`${id}.${timestamp}.`);
  let isProven = false;
  for (const key of keys) {
    const expected = crypto.hmacSha256(key, signed, body);
    // All of them are looked at, so that the time does not tell which matched.
    for (const signature of given) if (crypto.equal(expected, signature)) isProven = true;
  }
  if (!isProven) throw new SallyportError('ERR_SIGNATURE_MISMATCH', 'the signature does not match');
}

function signaturesOf(header: string): Uint8Array[] {
  const signatures = header.split(' ', MAX_SIGNATURES).map((one) => sha256FromBase64(SIGNATURE.exec(one)?.[1] ?? ''));
  return signatures.filter((bytes) => bytes !== null);
}
