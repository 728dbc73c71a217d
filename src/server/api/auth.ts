import type { RecordAudit } from '../../core/audit/entry.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf, type ErrorCode, reasonOf, SallyportError, statusOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import type { Scope } from '../../core/scope.ts';
import { bearerToken } from '../../net/jwt/bearer.ts';
import type { Introspect } from '../../net/jwt/introspect.ts';
import type { VerifiedToken, VerifyToken } from '../../net/jwt/token-verifier.ts';
import type { IssuedToken, Revocations } from '../../queue/records/revocations.ts';
import type { AppContext } from '../http/context.ts';
import type { ApiGuard } from '../limits/api-guard.ts';
import { createRefusals, type TokenRefused } from './refusals.ts';
import { type ApiClaims, SKEW_MS } from './token.ts';

/** Who calls, from a verified token. */
export interface Caller extends IssuedToken {
  readonly tenant: string;
  readonly scopes: ReadonlySet<string>;
  /**
   * Checks that the token is still good, for answers that take long: an event stream calls it at least every 500 ms.
   * @throws SallyportError ERR_UNAUTHENTICATED once it has expired or was revoked; ERR_STORE_UNAVAILABLE,
   * ERR_INTROSPECTION_UNAVAILABLE when that cannot be said, which ends the answer as well
   */
  recheck(): Promise<void>;
}

/**
 * The caller behind a request: the token comes from the `Authorization` header alone.
 * @throws SallyportError ERR_UNAUTHENTICATED, which does not say what is wrong with a token; ERR_FORBIDDEN when the token
 * is good and lacks the scope; ERR_RATE_LIMITED; ERR_KEYS_UNAVAILABLE, ERR_INTROSPECTION_UNAVAILABLE, ERR_STORE_UNAVAILABLE when it cannot
 * be said whether the token is good
 */
export type Authorize = (c: AppContext, scope: Scope) => Promise<Caller>;

export function createAuthorize({
  verify,
  isConfigured,
  maxLifeMs,
  revocations,
  introspect,
  sourceOf,
  tokenRefused,
  guard,
  audit,
  meter,
  clock,
  logger,
}: {
  /** Null: every token is refused. */
  readonly verify: VerifyToken<ApiClaims> | null;
  /** Whether the tenant is one of the configuration. */
  readonly isConfigured: (tenant: string) => boolean;
  /** Greatest life of a token, in ms. */
  readonly maxLifeMs: number;
  readonly revocations: Pick<Revocations, 'isRevoked'>;
  /** Null where the issuer is not asked about each token. */
  readonly introspect: Introspect | null;
  /** The address a request came from. */
  readonly sourceOf: (c: AppContext) => string;
  readonly tokenRefused: TokenRefused;
  readonly guard: ApiGuard;
  readonly audit: RecordAudit;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly logger: Logger;
}): Authorize {
  const tellRefusal = createRefusals(audit);

  const admitted = (admission: Promise<void>): Promise<void> =>
    admission.catch((error: unknown) => {
      meter.refused('api', reasonOf(codeOf(error)));
      throw error;
    });

  /** What may change while a token is alive. */
  const checkAlive = async (token: string, { claims, expiresAt }: VerifiedToken<ApiClaims>): Promise<void> => {
    if (clock() >= expiresAt + SKEW_MS) throw refusal('ERR_TOKEN_EXPIRED');
    if (await revocations.isRevoked(claims.tenant, issued(claims))) throw refusal('ERR_TOKEN_REVOKED');
    if (introspect !== null && !(await introspect(token))) throw refusal('ERR_TOKEN_INACTIVE');
  };

  /** What the configuration says about a token, whatever its issuer says. */
  const checkAllowed = ({ claims: { iat, tenant }, expiresAt }: VerifiedToken<ApiClaims>): void => {
    const from = iat === undefined ? clock() + SKEW_MS : iat * 1000;
    if (expiresAt - from > maxLifeMs) throw refusal('ERR_TOKEN_LIFE');
    if (!isConfigured(tenant)) throw refusal('ERR_TOKEN_TENANT');
  };

  /** Tells the operator why a token is refused, and the caller nothing but that it is. */
  const refuse = async (error: unknown, source: string, claims?: ApiClaims): Promise<SallyportError | unknown> => {
    const code = codeOf(error);
    const reason = reasonOf(code);
    if (statusOf(code) !== 401) {
      meter.refused('api', reason);
      logger.warn({ surface: 'api', reason }, 'token.unverifiable');
      return error;
    }
    const verified = claims === undefined ? {} : { verified: { subject: claims.sub, tenant: claims.tenant } };
    await tokenRefused({ surface: 'api', reason, source, ...verified });
    const isTokenInvalid = code !== 'ERR_TOKEN_MISSING';
    return new SallyportError('ERR_UNAUTHENTICATED', 'no valid token', { isTokenInvalid });
  };

  return async (c, scope) => {
    const source = sourceOf(c);
    await admitted(guard.admitSource(source));
    let verified: VerifiedToken<ApiClaims> | undefined;
    let token: string;
    try {
      token = bearerToken(c.req.header('authorization'));
      if (verify === null) throw refusal('ERR_UNAUTHENTICATED');
      verified = await verify(token);
      checkAllowed(verified);
      await checkAlive(token, verified);
    } catch (error) {
      throw await refuse(error, source, verified?.claims);
    }
    const { claims } = verified;
    const good = verified;
    const caller: Caller = {
      ...issued(claims),
      tenant: claims.tenant,
      scopes: new Set(claims.scope.split(' ')),
      recheck: () =>
        checkAlive(token, good).catch(async (error: unknown) => {
          throw await refuse(error, source, claims);
        }),
    };
    const { tenant, subject } = caller;
    await admitted(guard.admitCaller(tenant, subject));
    if (caller.scopes.has(scope)) return caller;
    meter.refused('api', reasonOf('ERR_FORBIDDEN'));
    await tellRefusal(tenant, { actor: `user:${subject}`, action: 'access.refused', subject: scope, data: {} });
    throw new SallyportError('ERR_FORBIDDEN', `the token lacks the scope ${scope}`, { scope });
  };
}

const issued = ({ sub: subject, jti, iat }: ApiClaims): IssuedToken => ({
  subject,
  jti,
  issuedAt: iat === undefined ? undefined : iat * 1000,
});

const refusal = (code: ErrorCode): SallyportError => new SallyportError(code, 'the token is not acceptable');
