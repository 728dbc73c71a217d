import { Hono, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { SallyportError } from '../../core/errors.ts';
import type { App, AppContext } from './context.ts';

type Mount = (app: App) => void;

/** Mounts routes behind guards. The guards stand at these routes only: a guard of all paths would slow down deliveries. */
export const behind =
  (guards: readonly MiddlewareHandler[], mounts: readonly Mount[]): Mount =>
  (app) => {
    for (const { method, path, handler } of routesOf(mounts)) {
      for (const each of [...guards, handler]) app.on(method, path, each);
    }
  };

/** A guard for routes that need a client certificate of an authority that the listener knows. */
export const withCertificate =
  (isCertified: (c: AppContext) => boolean): MiddlewareHandler =>
  async (c, next) => {
    if (!isCertified(c)) throw new SallyportError('ERR_CERTIFICATE_REQUIRED', '');
    await next();
  };

function routesOf(mounts: readonly Mount[]): Hono['routes'] {
  const routes = new Hono();
  for (const mount of mounts) mount(routes);
  return routes.routes;
}

/** Headers of the API's requests that a browser asks about first. */
const REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'last-event-id',
];
/** Headers of the API's answers that a script may read. */
const ANSWER_HEADERS = ['etag', 'retry-after', 'www-authenticate', 'x-request-id'];
/** Seconds for which a browser need not ask again. Chromium's maximum is two hours. */
const MAX_AGE_SECONDS = 600;

/**
 * Lets pages of these origins call the routes, and answers what browsers ask before a call. The API takes no cookies, so
 * credentials are never allowed: a page has to hold a token. Without origins the routes stay as they are.
 */
export const acrossOrigins =
  (origins: readonly string[], mounts: readonly Mount[]): Mount =>
  (app) => {
    const routes = routesOf(mounts);
    const paths = new Set(origins.length === 0 ? [] : routes.map(({ path }) => path));
    for (const path of paths) {
      const allowMethods = routes.flatMap((route) => (route.path === path ? [route.method] : []));
      app.on(['OPTIONS', ...allowMethods], path, crossOrigin(origins, allowMethods));
    }
    for (const { method, path, handler } of routes) app.on(method, path, handler);
  };

/** An origin is compared as a whole. `null`, which any page can have, is no origin that a setting can name. */
function crossOrigin(origins: readonly string[], allowMethods: string[]): MiddlewareHandler {
  return cors({
    origin: (origin) => (origins.includes(origin) ? origin : null),
    allowMethods,
    allowHeaders: REQUEST_HEADERS,
    exposeHeaders: ANSWER_HEADERS,
    maxAge: MAX_AGE_SECONDS,
  });
}
