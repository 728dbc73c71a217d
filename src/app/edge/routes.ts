import type { Crypto } from '../../core/crypto/crypto.ts';
import { reasonOf, SallyportError } from '../../core/errors.ts';
import { isBearerOf } from '../../net/jwt/bearer.ts';
import type { ShardStatus } from '../../queue/edge/shard.ts';
import { type BodyLimits, readBodyStream } from '../../server/http/body.ts';
import type { App, AppContext } from '../../server/http/context.ts';
import { problem, toResponse } from '../../server/http/respond.ts';
import type { SourceLimiter } from '../../server/limits/sources.ts';
import { METRICS_TYPE, renderShards } from './metrics.ts';
import { askOrigin, SOURCE_HEADER } from './pass-on.ts';

export interface EdgeRouteDeps {
  /** Without a path. */
  readonly origin: string;
  /** Absent: `/metrics` does not exist. */
  readonly metricsToken: string | undefined;
  /** The state of every shard of every tenant; null for one that did not answer. */
  readonly statuses: () => Promise<readonly (ShardStatus | null)[]>;
  /** The state of one shard. Null when it did not answer. */
  readonly anyStatus: () => Promise<ShardStatus | null>;
  /** Channels whose callers deliver over the API, by name. */
  readonly callers: readonly string[];
  readonly callbackLimits: BodyLimits;
  readonly failures: SourceLimiter;
  readonly newRequestId: () => string;
  readonly crypto: Crypto;
  readonly clock: () => number;
}

/** What `/ready` found is told again for so many ms. */
const READY_MS = 10_000;
/** A shard that forwards nothing for so many ms is reported: the origin may only be restarting. */
const BLOCKED_MS = 60_000;
/** An agent waits for its callback to be taken for so many ms. */
const CALLBACK_MS = 10_000;

/** Routes of the API by their first segment. They answer the same to everybody, so a token tells nothing. */
const OF_ORIGIN = 'audit budgets events guardrails openapi.json relay reviews revocations subscriptions users'.split(
  ' ',
);

/** Every route beside the hooks. */
export function mountEdgeRoutes(app: App, deps: EdgeRouteDeps): void {
  app.get('/health', (c) => c.json({ status: 'ok' }));
  mountReady(app, deps);
  mountMetrics(app, deps);
  app.post('/callbacks/*', (c) => passCallback(c, deps));
  for (const segment of [...OF_ORIGIN, ...deps.callers]) {
    for (const path of [`/${segment}`, `/${segment}/*`]) {
      app.all(path, () => problem(new SallyportError('ERR_ORIGIN_ROUTE', ''), deps.newRequestId()));
    }
  }
}

/** 200 also while the origin is away: accepting then is what the edge is for. */
function mountReady(app: App, { anyStatus, clock }: EdgeRouteDeps): void {
  let known: { readonly at: number; readonly body: object; readonly status: 200 | 503 } | null = null;
  app.get('/ready', async (c) => {
    const now = clock();
    if (known === null || now - known.at >= READY_MS) {
      const status = await anyStatus();
      const late = status?.blocked != null && now - status.blocked.since >= BLOCKED_MS;
      const store = status === null ? { status: 'failed', code: 'ERR_STORE_UNAVAILABLE' } : { status: 'ok' };
      const origin = late ? { status: 'degraded', code: 'ERR_ORIGIN_UNAVAILABLE' } : { status: 'ok' };
      const body = { status: status === null ? 'failed' : 'ok', checks: { store, origin } };
      known = { at: now, body, status: status === null ? 503 : 200 };
    }
    return c.json(known.body, known.status);
  });
}

function mountMetrics(app: App, deps: EdgeRouteDeps): void {
  const { metricsToken, statuses, failures, crypto, clock, newRequestId } = deps;
  if (metricsToken === undefined) return;
  app.get('/metrics', async (c) => {
    const authorization = c.req.header('authorization');
    if (isBearerOf(metricsToken, authorization, crypto)) {
      return c.body(renderShards(await statuses(), clock()), 200, { 'content-type': METRICS_TYPE });
    }
    const reason = reasonOf(authorization === undefined ? 'ERR_TOKEN_MISSING' : 'ERR_UNAUTHENTICATED');
    const { isOver } = failures.count(sourceOf(c), { tenant: '', channel: 'metrics', reason });
    if (isOver) return problem(new SallyportError('ERR_RATE_LIMITED', ''), newRequestId());
    return toResponse({ status: 401, headers: { 'www-authenticate': 'Bearer' } }, newRequestId());
  });
}

/** An agent's answer: the origin has its secrets and its run. */
async function passCallback(c: AppContext, { origin, callbackLimits, newRequestId }: EdgeRouteDeps): Promise<Response> {
  const requestId = newRequestId();
  try {
    const body = await readBodyStream(c.req.raw, callbackLimits);
    const { pathname, search } = new URL(c.req.url);
    const request = { method: 'POST', headers: c.req.raw.headers, body, timeoutMs: CALLBACK_MS };
    const answer = await askOrigin(origin, pathname + search, request);
    if (answer === null) throw new SallyportError('ERR_ORIGIN_UNAVAILABLE', '');
    return toResponse(answer, requestId);
  } catch (error) {
    return problem(error, requestId);
  }
}

/** Where a request came from, as Cloudflare says. */
export const sourceOf = (c: AppContext): string => c.req.header(SOURCE_HEADER) ?? '';
