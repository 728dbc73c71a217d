import * as z from 'zod';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { defined } from '../../core/defined.ts';
import { codeOf, reasonOf } from '../../core/errors.ts';
import { isBearerOf } from '../../net/jwt/bearer.ts';
import type { Metrics } from '../../ops/metrics.ts';
import type { ReadyMonitor } from '../../ops/ready.ts';
import { describeRoute, type RouteAbout } from '../api/endpoint.ts';
import type { TokenRefused } from '../api/refusals.ts';
import { errorCode } from '../api/shapes.ts';
import type { App, AppContext } from '../http/context.ts';
import type { ApiGuard } from '../limits/api-guard.ts';

const health: RouteAbout = {
  id: 'getHealth',
  summary: 'Whether the process is alive',
  description: 'It depends on nothing else.',
  scope: null,
  answers: { 200: { description: 'it is', body: z.object({ status: z.literal('ok') }) } },
};

const readiness = z.object({
  status: z.enum(['ok', 'failed']),
  checks: z.record(
    z.string(),
    z.object({
      status: z.enum(['ok', 'pending', 'degraded', 'failed']),
      latencyMs: z.number().describe('milliseconds that the latest look took'),
      code: errorCode.optional(),
    }),
  ),
});
const ready: RouteAbout = {
  id: 'getReadiness',
  summary: 'Whether the process takes traffic',
  description: 'The results of checks that run in the background.',
  scope: null,
  answers: {
    200: { description: 'it does', body: readiness },
    503: { description: 'it does not', body: readiness },
  },
};

const metrics: RouteAbout = {
  id: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description:
    'For the bearer of `SALLYPORT_METRICS_TOKEN`, which is no token of the API. Where that is not set, there is no such route.',
  scope: null,
  answers: {
    200: { description: 'the text format of Prometheus', content: 'text/plain' },
    401: { description: 'another token, or none' },
    429: { description: 'too many other tokens came from this source' },
    503: { description: 'another token, which cannot be counted now' },
  },
};

/** `/health`, `/ready` and `/metrics`. */
export const mountOps =
  (deps: {
    readonly ready: ReadyMonitor;
    readonly metrics: Metrics;
    /** Absent: `/metrics` does not exist. */
    readonly metricsToken: string | undefined;
    readonly crypto: Crypto;
    readonly tokenRefused: TokenRefused;
    /** The address a request came from, where it is known. */
    readonly sourceOf?: (c: AppContext) => string;
    /** Absent: no source is locked out. */
    readonly guard?: Pick<ApiGuard, 'admitSource'>;
  }) =>
  (app: App): void => {
    const { metricsToken } = deps;
    /** Whether a request has the token. @throws SallyportError ERR_RATE_LIMITED for a source that is locked out */
    const isAuthorized = async (c: AppContext, token: string): Promise<boolean> => {
      const source = deps.sourceOf?.(c);
      const admission = source === undefined ? undefined : deps.guard?.admitSource(source);
      // While the store is away a right token passes: that is when figures are needed most. A wrong one cannot be counted
      // then, and so is answered 503.
      const refusal = await admission?.catch((error: unknown) => error);
      if (codeOf(refusal) === 'ERR_RATE_LIMITED') {
        deps.metrics.meter.refused('metrics', reasonOf('ERR_RATE_LIMITED'));
        throw refusal;
      }
      if (isBearerOf(token, c.req.header('authorization'), deps.crypto)) return true;
      const reason = reasonOf(
        c.req.header('authorization') === undefined ? 'ERR_TOKEN_MISSING' : 'ERR_UNAUTHENTICATED',
      );
      await deps.tokenRefused({ surface: 'metrics', reason, ...defined({ source }) });
      return false;
    };
    app.get(
      '/health',
      describeRoute(health, (c: AppContext) => c.json({ status: 'ok' })),
    );
    app.get(
      '/ready',
      describeRoute(ready, async (c: AppContext) => {
        // Probes have no token. The names of the operator's checks tell what the gate depends on.
        const hasToken = metricsToken !== undefined && c.req.header('authorization') !== undefined;
        // A token that does not count changes nothing else of the answer.
        const showsNames = hasToken && (await isAuthorized(c, metricsToken).catch(() => false));
        const now = deps.ready.current(showsNames);
        return c.json(now, now.status === 'ok' ? 200 : 503);
      }),
    );
    if (metricsToken === undefined) return;
    app.get(
      '/metrics',
      describeRoute(metrics, async (c: AppContext) => {
        if (await isAuthorized(c, metricsToken)) {
          return c.body(await deps.metrics.render(), 200, { 'content-type': deps.metrics.contentType });
        }
        return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer' } });
      }),
    );
  };
