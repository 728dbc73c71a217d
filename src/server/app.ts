import { Hono } from 'hono';
import { codeOf } from '../core/errors.ts';
import { createHookHandler, type HookDeps } from './hooks/hooks.ts';
import { type App, type AppContext, unknownRoute } from './http/context.ts';
import { problem, toResponse } from './http/respond.ts';

export interface AppDeps extends HookDeps {
  /** Further routes: the API, health, metrics. They are registered before the catch-all. */
  readonly mount: readonly ((app: App) => void)[];
}

/** Every route of the product on one Hono app; portable, so the edge serves the same one. */
export function createApp(deps: AppDeps): App {
  const app: App = new Hono();
  // The only route a delivery matches, and no middleware: a second handler costs as much as parsing the body.
  app.all('/hooks/*', createHookHandler(deps));
  for (const mount of deps.mount) mount(app);
  app.notFound((c) => unmatched(c, app, deps.newRequestId()));
  app.onError((error) => failed(error, deps));
  return app;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** A path that another method has is answered 405 (RFC 9110, 15.5.6). */
function unmatched({ req: { method, path } }: AppContext, { router }: App, requestId: string): Response {
  const allowed = METHODS.filter((one) => router.match(one, path)[0].length > 0);
  if (allowed.length === 0 || allowed.includes(method)) return unknownRoute(requestId);
  const allow = allowed.flatMap((one) => (one === 'GET' ? ['GET', 'HEAD'] : [one])).join(', ');
  return toResponse({ status: 405, headers: { allow } }, requestId);
}

function failed(error: unknown, { logger, newRequestId }: AppDeps): Response {
  const requestId = newRequestId();
  if (codeOf(error) === 'ERR_INTERNAL') logger.error({ requestId, error }, 'request.failed');
  return problem(error, requestId);
}
