import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import type { z } from 'zod';
import type { Clock } from '../../core/clock.ts';
import { type ErrorCode, SallyportError } from '../../core/errors.ts';
import { MAX_TOKEN_CHARS } from './bearer.ts';
import type { Jwks } from './jwks.ts';
import type { IssuerKey } from './key-set.ts';

/** Signatures made with a private key. None with a shared secret: a public key could then be used to sign. */
export type SignatureAlgorithm = 'RS256' | 'ES256' | 'EdDSA';

export interface TokenVerifierOptions<Claims> {
  readonly jwks: Jwks;
  /** Exact `iss` values; or those that fit the token's other claims, where the issuer's name holds the tenant. */
  readonly issuers: readonly string[] | ((claims: Claims) => readonly string[]);
  /** Exact `aud` values. A token made out to several audiences at once is refused. */
  readonly audiences: readonly string[];
  /** The further claims the caller relies on; `iss`, `aud`, `exp` and, unless told otherwise, `iat` are required. */
  readonly claims: z.ZodType<Claims>;
  readonly clock: Clock;
  /** Clock difference between issuer and us that is forgiven, in ms. */
  readonly toleranceMs: number;
  /** Default RS256 alone. */
  readonly algorithms?: readonly SignatureAlgorithm[];
  /** False for issuers whose tokens have no `iat` (Bot Framework); one that is there still counts. Default true. */
  readonly isIssuedAtRequired?: boolean;
}

export interface VerifiedToken<Claims> {
  readonly claims: Claims;
  /** What the signing key is endorsed for; undefined where the issuer says nothing. */
  readonly endorsements: readonly string[] | undefined;
  /** Epoch milliseconds from which the token is worth nothing. */
  readonly expiresAt: number;
}

/**
 * @throws SallyportError ERR_TOKEN_* with no word of the token in it, or ERR_KEYS_UNAVAILABLE
 */
export type VerifyToken<Claims> = (token: string) => Promise<VerifiedToken<Claims>>;

/**
 * Verifies signed tokens of one issuer. The key comes from the issuer's configured key set by its id, whatever else the
 * token's header offers (`jku`, `x5u`, `jwk`, `x5c` are never read).
 */
export function createTokenVerifier<Claims>(options: TokenVerifierOptions<Claims>): VerifyToken<Claims> {
  const { jwks, algorithms = ['RS256'], isIssuedAtRequired = true } = options;
  const requiredClaims = ['iss', 'aud', 'exp', ...(isIssuedAtRequired ? ['iat'] : [])];
  return async (token) => {
    const kid = keyIdOf(token, algorithms);
    const keys = await jwks.find(kid);
    if (keys.length === 0) throw refusal('ERR_TOKEN_KEY_UNKNOWN');
    const { payload, key } = await verifySignature(token, keys, { ...options, algorithms, requiredClaims });
    const { exp, iat, iss, aud } = payload;
    const toleranceSeconds = options.toleranceMs / 1000;
    if (typeof exp !== 'number') throw refusal('ERR_TOKEN_CLAIM');
    if (typeof iat !== 'number' && (isIssuedAtRequired || iat !== undefined)) throw refusal('ERR_TOKEN_CLAIM');
    // jose looks at `iat` only together with a maximum age.
    if (iat !== undefined && iat > options.clock() / 1000 + toleranceSeconds) throw refusal('ERR_TOKEN_EXPIRED');
    const claims = options.claims.safeParse(payload);
    if (!claims.success) throw refusal('ERR_TOKEN_CLAIM');
    const issuers = typeof options.issuers === 'function' ? options.issuers(claims.data) : options.issuers;
    if (!isOneOf(iss, issuers)) throw refusal('ERR_TOKEN_ISSUER');
    if (!isOneOf(aud, options.audiences)) throw refusal('ERR_TOKEN_AUDIENCE');
    return { claims: claims.data, endorsements: key.endorsements, expiresAt: exp * 1000 };
  };
}

const isOneOf = (value: unknown, known: readonly string[]): boolean =>
  typeof value === 'string' && value !== '' && known.includes(value);

/** The header is not proven yet; of it only the key's id is used, and the algorithm is compared. */
function keyIdOf(token: string, algorithms: readonly string[]): string {
  if (token.length > MAX_TOKEN_CHARS) throw refusal('ERR_TOKEN_MALFORMED');
  const { alg, kid } = readHeader(token);
  if (typeof alg !== 'string' || !algorithms.includes(alg)) throw refusal('ERR_TOKEN_ALGORITHM');
  if (typeof kid !== 'string' || kid === '') throw refusal('ERR_TOKEN_MALFORMED');
  return kid;
}

function readHeader(token: string): { readonly alg?: unknown; readonly kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    throw refusal('ERR_TOKEN_MALFORMED');
  }
}

type SignatureOptions = Pick<TokenVerifierOptions<unknown>, 'clock' | 'toleranceMs'> & {
  readonly algorithms: readonly SignatureAlgorithm[];
  readonly requiredClaims: readonly string[];
};

/** Tries each key of the id, since ids may collide within a set. */
async function verifySignature(
  token: string,
  keys: readonly IssuerKey[],
  { algorithms, requiredClaims, clock, toleranceMs }: SignatureOptions,
): Promise<{ payload: JWTPayload; key: IssuerKey }> {
  let code: ErrorCode = 'ERR_TOKEN_SIGNATURE_MISMATCH';
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key.jwk, {
        algorithms: [...algorithms],
        requiredClaims: [...requiredClaims],
        currentDate: new Date(clock()),
        clockTolerance: toleranceMs / 1000,
      });
      return { payload, key };
    } catch (error) {
      // Another key's mismatch must not hide that this one fits. The library's error holds claims and goes no further.
      const found = codeOf(error);
      if (found !== 'ERR_TOKEN_SIGNATURE_MISMATCH') code = found;
    }
  }
  throw refusal(code);
}

function codeOf(error: unknown): ErrorCode {
  if (error instanceof errors.JWTExpired) return 'ERR_TOKEN_EXPIRED';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' && error.reason === 'check_failed' ? 'ERR_TOKEN_EXPIRED' : 'ERR_TOKEN_CLAIM';
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return 'ERR_TOKEN_MALFORMED';
  // A wrong signature, and whatever makes a published key unfit for this token: too short, of another type or use.
  return 'ERR_TOKEN_SIGNATURE_MISMATCH';
}

const refusal = (code: ErrorCode): SallyportError => new SallyportError(code, 'the token is not acceptable');
