import { Hono } from 'hono';
import { codeOf } from '../core/errors.ts';
import { createHookHandler, type HookDeps } from './hooks/hooks.ts';
import { type App, unknownRoute } from './http/context.ts';
import { problem } from './http/respond.ts';

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
  app.notFound(() => unknownRoute(deps.newRequestId()));
  app.onError((error) => failed(error, deps));
  return app;
}

function failed(error: unknown, { logger, newRequestId }: AppDeps): Response {
  const requestId = newRequestId();
  if (codeOf(error) === 'ERR_INTERNAL') logger.error({ requestId, error }, 'request.failed');
  return problem(error, requestId);
}
