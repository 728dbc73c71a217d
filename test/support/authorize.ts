import type { TallyRefusal } from '../../src/core/audit/entry.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createIdentifier, type Identifier } from '../../src/core/identity.ts';
import { type Logger, silentLogger } from '../../src/core/logger.ts';
import { type Meter, silentMeter } from '../../src/core/meter.ts';
import { createRevocations, type Revocations } from '../../src/queue/records/revocations.ts';
import type { Store } from '../../src/queue/store.ts';
import { type Authorize, createAuthorize } from '../../src/server/api/auth.ts';
import { createTokenRefused } from '../../src/server/api/refusals.ts';
import { createApiVerifier, SKEW_MS, type TokenSettings } from '../../src/server/api/token.ts';
import type { ApiGuard } from '../../src/server/limits/api-guard.ts';
import { auditOver } from './audit.ts';

/** The default of `SALLYPORT_TOKEN_MAX_LIFE`. */
export const MAX_LIFE_MS = 24 * 3_600_000;

interface AuthorizeOptions {
  readonly settings: TokenSettings;
  readonly identifier?: Identifier;
  readonly clock?: () => number;
  readonly logger?: Logger;
  readonly meter?: Meter;
  /** Default: nothing is limited. */
  readonly guard?: ApiGuard;
  readonly tally?: TallyRefusal;
  readonly isConfigured?: (tenant: string) => boolean;
}

/** Revocations over a store, as the product has them. */
export const revocationsOver = (
  { records }: Pick<Store, 'records'>,
  {
    identifier = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7)),
    clock = Date.now,
  }: { readonly identifier?: Identifier; readonly clock?: () => number } = {},
): Revocations =>
  createRevocations({ records, digest: identifier.digest, clock, maxLifeMs: MAX_LIFE_MS, skewMs: SKEW_MS });

/** What proves a caller of the API, with a secret, over a store. */
export function authorizeOver(store: Pick<Store, 'records' | 'audit'>, options: AuthorizeOptions): Authorize {
  const { settings, clock = Date.now, logger = silentLogger, meter = silentMeter } = options;
  const guard = options.guard ?? {
    admitSource: async () => {},
    admitCaller: async () => {},
    countRefused: async () => {},
  };
  return createAuthorize({
    verify: createApiVerifier(settings, null, clock),
    isConfigured: options.isConfigured ?? (() => true),
    maxLifeMs: MAX_LIFE_MS,
    revocations: revocationsOver(store, options),
    introspect: null,
    sourceOf: () => '203.0.113.9',
    tokenRefused: createTokenRefused({
      meter,
      logger,
      tally: options.tally ?? (() => {}),
      tenants: ['default'],
      guard,
    }),
    guard,
    audit: auditOver(store, clock),
    meter,
    clock,
    logger,
  });
}
