import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { type ErrorCode, SallyportError } from '../../core/errors.ts';
import { MAX_TOKEN_CHARS } from './bearer.ts';
import type { Jwks } from './jwks.ts';
import type { IssuerKey } from './key-set.ts';

/** Signatures made with a private key. None with a shared secret: a public key could then be used to sign. */
export type SignatureAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA';

interface ClaimOptions<Claims> {
  /** The further claims the caller relies on; `exp` and, unless told otherwise, `iat` are required. */
  readonly claims: z.ZodType<Claims>;
  readonly clock: Clock;
  /** Clock difference between issuer and us that is forgiven, in ms. */
  readonly toleranceMs: number;
  /** False for issuers whose tokens have no `iat` (Bot Framework); one that is there still counts. Default true. */
  readonly isIssuedAtRequired?: boolean;
  /** True: `aud` may be a list that holds one of ours (RFC 7519, 4.1.3). Default: it must be one string. */
  readonly isAudienceListAccepted?: boolean;
}

export interface TokenVerifierOptions<Claims> extends ClaimOptions<Claims> {
  readonly jwks: Jwks;
  /** Exact `iss` values; or those that fit the token's other claims, where the issuer's name holds the tenant. */
  readonly issuers: readonly string[] | ((claims: Claims) => readonly string[]);
  /** Exact `aud` values. Unless told otherwise, a token made out to several audiences at once is refused. */
  readonly audiences: readonly string[];
  /** Default RS256 alone. A key is used for the one its type is made for, and only for its own `alg` where it names one. */
  readonly algorithms?: readonly SignatureAlgorithm[];
}

export interface SecretVerifierOptions<Claims> extends ClaimOptions<Claims> {
  /** Each of them verifies, for as long as tokens signed with an earlier one are alive. */
  readonly secrets: readonly Uint8Array[];
  /** Exact values of `iss` and `aud`; undefined: the claim is not required, and not looked at. */
  readonly issuers: readonly string[] | undefined;
  readonly audiences: readonly string[] | undefined;
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
  const { jwks, algorithms = ['RS256'] } = options;
  return async (token) => {
    const { kid } = headerOf(token, algorithms);
    if (typeof kid !== 'string' || kid === '') throw refusal('ERR_TOKEN_MALFORMED');
    const keys = await jwks.find(kid);
    if (keys.length === 0) throw refusal('ERR_TOKEN_KEY_UNKNOWN');
    const candidates = keys.map(({ jwk, endorsements }) => ({ key: jwk, endorsements }));
    return verifyWith(token, candidates, algorithms, ['iss', 'aud'], options);
  };
}

/** Verifies tokens that were signed with a shared secret: HS256 alone, and never with the key of another kind of token. */
export function createSecretVerifier<Claims>(options: SecretVerifierOptions<Claims>): VerifyToken<Claims> {
  const algorithms = ['HS256'];
  const candidates = options.secrets.map((key) => ({ key, endorsements: undefined }));
  return async (token) => {
    headerOf(token, algorithms);
    return verifyWith(token, candidates, algorithms, [], options);
  };
}

/** A key that may have signed a token. */
interface Candidate {
  readonly key: IssuerKey['jwk'] | Uint8Array;
  readonly endorsements: readonly string[] | undefined;
}

type VerifyOptions<Claims> = ClaimOptions<Claims> & {
  readonly issuers: TokenVerifierOptions<Claims>['issuers'] | undefined;
  readonly audiences: readonly string[] | undefined;
};

async function verifyWith<Claims>(
  token: string,
  candidates: readonly Candidate[],
  algorithms: readonly string[],
  required: readonly string[],
  options: VerifyOptions<Claims>,
): Promise<VerifiedToken<Claims>> {
  const { clock, isIssuedAtRequired = true, issuers, audiences } = options;
  const toleranceSeconds = options.toleranceMs / 1000;
  const requiredClaims = ['exp', ...required, ...(isIssuedAtRequired ? ['iat'] : [])];
  const checks = { currentDate: new Date(clock()), clockTolerance: toleranceSeconds, requiredClaims };
  const { payload, endorsements } = await verifySignature(token, candidates, {
    ...checks,
    algorithms: [...algorithms],
  });
  const { exp, iat, iss, aud } = payload;
  if (typeof exp !== 'number') throw refusal('ERR_TOKEN_CLAIM');
  if (typeof iat !== 'number' && (isIssuedAtRequired || iat !== undefined)) throw refusal('ERR_TOKEN_CLAIM');
  // jose looks at `iat` only together with a maximum age.
  if (iat !== undefined && iat > clock() / 1000 + toleranceSeconds) throw refusal('ERR_TOKEN_EXPIRED');
  const claims = options.claims.safeParse(payload);
  if (!claims.success) throw refusal('ERR_TOKEN_CLAIM');
  const trusted = typeof issuers === 'function' ? issuers(claims.data) : issuers;
  if (trusted !== undefined && !isOneOf(iss, trusted)) throw refusal('ERR_TOKEN_ISSUER');
  const named = options.isAudienceListAccepted === true && Array.isArray(aud) ? aud : [aud];
  if (audiences !== undefined && !named.some((one) => isOneOf(one, audiences))) throw refusal('ERR_TOKEN_AUDIENCE');
  return { claims: claims.data, endorsements, expiresAt: exp * 1000 };
}

const isOneOf = (value: unknown, known: readonly string[]): boolean =>
  typeof value === 'string' && value !== '' && known.includes(value);

/** The header is not proven yet; of it only the key's id is used, and the algorithm is compared. */
function headerOf(token: string, algorithms: readonly string[]): { readonly kid?: unknown } {
  if (token.length > MAX_TOKEN_CHARS) throw refusal('ERR_TOKEN_MALFORMED');
  const header = readHeader(token);
  if (typeof header.alg !== 'string' || !algorithms.includes(header.alg)) throw refusal('ERR_TOKEN_ALGORITHM');
  return header;
}

function readHeader(token: string): { readonly alg?: unknown; readonly kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    throw refusal('ERR_TOKEN_MALFORMED');
  }
}

/** Tries each key, since ids may collide within a set. */
async function verifySignature(
  token: string,
  candidates: readonly Candidate[],
  checks: JWTVerifyOptions,
): Promise<{ payload: JWTPayload; endorsements: Candidate['endorsements'] }> {
  let code: ErrorCode = 'ERR_TOKEN_SIGNATURE_MISMATCH';
  for (const { key, endorsements } of candidates) {
    try {
      return { payload: (await jwtVerify(token, key, checks)).payload, endorsements };
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
