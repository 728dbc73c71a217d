import type { Crypto } from '../../core/crypto/crypto.ts';
import { toUtf8 } from '../../core/crypto/encoding.ts';
import type { Metrics } from '../../ops/metrics.ts';
import type { ReadyMonitor } from '../../ops/ready.ts';
import type { App, AppContext } from '../http/context.ts';

/** `/health`, `/ready` and `/metrics`. */
export const mountOps =
  (deps: {
    readonly ready: ReadyMonitor;
    readonly metrics: Metrics;
    /** Absent: `/metrics` does not exist. */
    readonly metricsToken: string | undefined;
    readonly crypto: Crypto;
  }) =>
  (app: App): void => {
    app.get('/health', (c) => c.json({ status: 'ok' }));
    app.get('/ready', (c) => {
      const now = deps.ready.current();
      return c.json(now, now.status === 'ok' ? 200 : 503);
    });
    const { metricsToken } = deps;
    if (metricsToken === undefined) return;
    app.get('/metrics', async (c) => {
      if (!isBearer(c, metricsToken, deps.crypto)) {
        return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer' } });
      }
      return c.body(await deps.metrics.render(), 200, { 'content-type': deps.metrics.contentType });
    });
  };

/** Compares digests, so that neither the length nor the first wrong character shows in the time. */
function isBearer(c: AppContext, token: string, crypto: Crypto): boolean {
  const given = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? '';
  const key = toUtf8('sallyport.bearer.v1');
  return crypto.equal(crypto.hmacSha256(key, given), crypto.hmacSha256(key, token));
}
