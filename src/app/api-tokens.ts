import { createIntrospection } from '../net/jwt/introspect.ts';
import { createJwks } from '../net/jwt/jwks.ts';
import { createRevocations, type Revocations } from '../queue/records/revocations.ts';
import { type Authorize, createAuthorize } from '../server/api/auth.ts';
import { createTokenRefused, type TokenRefused } from '../server/api/refusals.ts';
import { createApiVerifier, SKEW_MS } from '../server/api/token.ts';
import type { DeliverDeps } from '../server/hooks/hooks.ts';
import { type ApiGuard, createApiGuard } from '../server/limits/api-guard.ts';
import type { Runtime } from './runtime.node.ts';

export const openRevocations = ({ config, identifier, store }: Runtime): Revocations =>
  createRevocations({
    records: store.records,
    digest: identifier.digest,
    clock: Date.now,
    maxLifeMs: config.api.tokenMaxLife,
    skewMs: SKEW_MS,
  });

/** Counts and tells of every refused token, of the API as of `/metrics`. */
export const openTokenRefused = ({ config, metrics, refusals, log }: Runtime, guard: ApiGuard): TokenRefused =>
  createTokenRefused({
    meter: metrics.meter,
    logger: log,
    tally: refusals.note,
    tenants: Object.keys(config.tenants),
    guard,
  });

/** What proves a caller of the API. */
export function openAuthorize(
  runtime: Runtime,
  revocations: Revocations,
  sourceOf: DeliverDeps['sourceOf'],
  guard: ApiGuard,
): Authorize {
  const { config, clients, identifier, metrics, audit, log } = runtime;
  const { api, tenants } = config;
  const { jwtJwksUrl: jwksUrl, jwtIntrospectionUrl: url } = api;
  const clock = Date.now;
  const fetchFrom = (address: string) => clients.open('vendor', [address]).fetch;
  const jwks = jwksUrl === undefined ? null : createJwks({ url: jwksUrl, fetch: fetchFrom(jwksUrl), clock });
  const { jwtIntrospectionClientId: clientId = '', jwtIntrospectionClientSecret: clientSecret = '' } = api;
  const digest = (token: string): string => identifier.digest('introspected', [token]);
  return createAuthorize({
    verify: createApiVerifier(api, jwks, clock),
    isConfigured: (tenant) => Object.hasOwn(tenants, tenant),
    maxLifeMs: api.tokenMaxLife,
    revocations,
    introspect:
      url === undefined
        ? null
        : createIntrospection({ url, clientId, clientSecret, fetch: fetchFrom(url), digest, clock }),
    sourceOf,
    tokenRefused: openTokenRefused(runtime, guard),
    guard,
    audit,
    meter: metrics.meter,
    clock,
    logger: log,
  });
}

/** What limits callers with tokens. `isShared` says whether an address stands for many senders. */
export const openApiGuard = (
  { config: { limits }, identifier, store }: Runtime,
  isShared: (source: string) => boolean,
): ApiGuard =>
  createApiGuard({
    limits: store.limits,
    digest: identifier.digest,
    rate: limits.apiRate,
    failures: limits.apiFailures,
    isShared,
    clock: Date.now,
  });
