import { createIntrospection } from '../net/jwt/introspect.ts';
import { createJwks } from '../net/jwt/jwks.ts';
import { createRevocations, type Revocations } from '../queue/records/revocations.ts';
import { type Authorize, createAuthorize } from '../server/api/auth.ts';
import { createTokenRefused } from '../server/api/refusals.ts';
import { createApiVerifier, SKEW_MS } from '../server/api/token.ts';
import type { DeliverDeps } from '../server/hooks/hooks.ts';
import { createApiGuard } from '../server/limits/api-guard.ts';
import type { Runtime } from './runtime.node.ts';

export const openRevocations = ({ config, identifier, store }: Runtime): Revocations =>
  createRevocations({
    records: store.records,
    digest: identifier.digest,
    clock: Date.now,
    maxLifeMs: config.api.tokenMaxLife,
    skewMs: SKEW_MS,
  });

/** What proves a caller of the API. */
export function openAuthorize(
  { config, clients, identifier, store, metrics, audit, log }: Runtime,
  revocations: Revocations,
  sourceOf: DeliverDeps['sourceOf'],
): Authorize {
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
    tokenRefused: createTokenRefused({ meter: metrics.meter, logger: log }),
    guard: createApiGuard({ limits: store.limits, digest: identifier.digest, rate: config.limits.apiRate }),
    audit,
    meter: metrics.meter,
    clock,
    logger: log,
  });
}
