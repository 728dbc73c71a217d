import { type JWTPayload, jwtVerify } from 'jose';
import type { RecordAudit } from '../../core/audit/entry.ts';
import { toUtf8 } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';
import type { AppContext } from '../http/context.ts';
import type { ApiGuard } from '../limits/api-guard.ts';
import { createRefusals } from './refusals.ts';

const scopes = [
  'chat:read',
  'chat:write',
  'events:read',
  'events:write',
  'subscriptions:read',
  'subscriptions:write',
  'budgets:read',
  'budgets:write',
  'reviews:read',
  'reviews:decide',
  'audit:read',
  'guardrails:write',
] as const;
export type Scope = (typeof scopes)[number];

/** Who calls, from a verified token. */
export interface Caller {
  readonly subject: string;
  readonly tenant: string;
  readonly scopes: ReadonlySet<string>;
}

export interface AuthOptions {
  /** Absent: the API answers 401 to everybody. */
  readonly jwtSecret: string | undefined;
  readonly jwtIssuer: string | undefined;
  readonly jwtAudience: string | undefined;
}

/** Clock difference between issuer and us that is forgiven, in seconds. */
const SKEW_SECONDS = 60;
/** What a tenant may be called in the configuration; the store keeps its own records under other names. */
const TENANT = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** No honest token is longer; longer ones are refused before any work is done on them. */
const MAX_TOKEN_CHARS = 8192;

/**
 * The caller behind a request. @throws SallyportError ERR_UNAUTHENTICATED, which does not say what is wrong with a token,
 * or ERR_FORBIDDEN when the token is good and lacks the scope; ERR_RATE_LIMITED, ERR_STORE_UNAVAILABLE.
 */
export type Authorize = (c: AppContext, scope: Scope) => Promise<Caller>;

export function createAuthorize(options: AuthOptions, audit: RecordAudit, guard: ApiGuard): Authorize {
  const refused = createRefusals(audit);
  const key = options.jwtSecret === undefined ? null : toUtf8(options.jwtSecret);
  return async (c, scope) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (token === undefined) throw unauthenticated(c.req.header('authorization') !== undefined);
    if (key === null || token.length > MAX_TOKEN_CHARS) throw unauthenticated();
    const caller = callerOf(await verify(token, key, options));
    await guard.admitCaller(caller.tenant, caller.subject);
    if (caller.scopes.has(scope)) return caller;
    const { tenant, subject } = caller;
    await refused(tenant, { actor: `user:${subject}`, action: 'access.refused', subject: scope, data: {} });
    throw new SallyportError('ERR_FORBIDDEN', `the token lacks the scope ${scope}`, { scope });
  };
}

async function verify(token: string, key: Uint8Array, options: AuthOptions): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: ['HS256'],
      requiredClaims: ['exp', 'sub', 'tenant', 'scope'],
      clockTolerance: SKEW_SECONDS,
      ...(options.jwtIssuer === undefined ? {} : { issuer: options.jwtIssuer }),
      ...(options.jwtAudience === undefined ? {} : { audience: options.jwtAudience }),
    });
    return payload;
  } catch {
    // The library's error may hold claims; it goes nowhere.
    throw unauthenticated();
  }
}

function callerOf({ sub, tenant, scope }: JWTPayload): Caller {
  if (typeof sub !== 'string' || sub === '' || typeof scope !== 'string') throw unauthenticated();
  if (typeof tenant !== 'string' || !TENANT.test(tenant)) throw unauthenticated();
  return { subject: sub, tenant, scopes: new Set(scope.split(' ')) };
}

const unauthenticated = (isTokenInvalid = true): SallyportError =>
  new SallyportError('ERR_UNAUTHENTICATED', 'no valid token', { isTokenInvalid });
