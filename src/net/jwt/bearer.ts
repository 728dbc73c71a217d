import type { Crypto } from '../../core/crypto/crypto.ts';
import { toUtf8 } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';

/** The largest honest token of ours has about 2,000 characters (Entra); nothing longer is even looked at. */
export const MAX_TOKEN_CHARS = 8_192;

/** RFC 6750, 2.1, with a signed token of exactly three parts: an encrypted one has five. */
const BEARER = /^Bearer ([\w-]+\.[\w-]+\.[\w-]*)$/i;

/**
 * The token of an `Authorization: Bearer` header.
 * @throws SallyportError ERR_TOKEN_MISSING without a header, ERR_TOKEN_MALFORMED when it holds anything else
 */
export function bearerToken(authorization: string | null | undefined): string {
  if (!authorization) throw new SallyportError('ERR_TOKEN_MISSING', 'the request carries no token');
  const token = authorization.length > MAX_TOKEN_CHARS ? undefined : BEARER.exec(authorization)?.[1];
  if (token === undefined) throw new SallyportError('ERR_TOKEN_MALFORMED', 'the token is not well-formed');
  return token;
}

const COMPARING = toUtf8('sallyport.bearer.v1');

/**
 * Whether a header has this very token, which is no signed one. Digests are compared, so that neither the length nor the first
 * wrong character shows in the time.
 */
export function isBearerOf(token: string, authorization: string | null | undefined, crypto: Crypto): boolean {
  const given = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return crypto.equal(crypto.hmacSha256(COMPARING, given), crypto.hmacSha256(COMPARING, token));
}
