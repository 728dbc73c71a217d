import { Hono } from 'hono';
import { codeOf, type ErrorCode } from '../core/errors.ts';
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

const titles: Partial<Record<ErrorCode, string>> = {
  ERR_UNAUTHENTICATED: 'Authentication is required',
  ERR_FORBIDDEN: 'The token does not allow this',
  ERR_NOT_FOUND: 'Not found',
  ERR_INVALID_REQUEST: 'The request is not valid',
  ERR_BODY_TOO_LARGE: 'The body is too large',
  ERR_BODY_UNPARSABLE: 'The body cannot be parsed',
  ERR_WRONG_STATE: 'The event is in another state',
  ERR_REPLY_DELIVERED: 'Its reply was delivered',
  ERR_AMBIGUOUS_EFFECT: 'An effect has an unknown outcome; resolve it first',
  ERR_REVIEW_CHANGED: 'Another text is held than the one the digest names',
  ERR_REVIEW_EXPIRED: 'Nobody decided in time',
  ERR_REVIEW_OWN: 'Whoever asked may not decide about the answer',
  ERR_REVIEW_NOT_APPROVER: 'The subject is not among the approvers',
  ERR_GUARDRAIL_BLOCKED: 'A guardrail does not let the text pass',
};

function failed(error: unknown, { logger, newRequestId }: AppDeps): Response {
  const code = codeOf(error);
  const requestId = newRequestId();
  if (code === 'ERR_INTERNAL') logger.error({ requestId, error }, 'request.failed');
  const headers: Record<string, string> = code === 'ERR_UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {};
  return problem(code, titles[code] ?? 'The request could not be served', requestId, headers);
}
