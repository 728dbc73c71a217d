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
