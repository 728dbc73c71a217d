import type { App, webApi } from '@slack/bolt';
import { SallyportError } from '../../../core/errors.ts';

/** What of an app is used; apps of any Bolt 4 or 5 have it. */
export type BoltApp = Pick<App, 'processEvent' | 'error' | 'webClientOptions' | 'client'>;

type AppModule = { readonly app: BoltApp } | { readonly default: BoltApp };

/** An app, or a function that makes or imports one; a module has it as `app` or as its default export. */
export type AppSource = BoltApp | (() => BoltApp | AppModule | Promise<BoltApp | AppModule>);

/** @throws SallyportError ERR_CONFIG_INVALID when there is no app in it; what the source threw */
export async function loadApp(source: AppSource): Promise<BoltApp> {
  const found: unknown = typeof source === 'function' ? await source() : source;
  const app = [found, partOf(found, 'app'), partOf(found, 'default')].find(isApp);
  if (app !== undefined) return app;
  const names = typeof found === 'object' && found !== null ? Object.keys(found).slice(0, 10) : [];
  const exported = names.length === 0 ? '' : `; it exports ${names.join(', ')}`;
  const message = `bolt: the module ${pathIn(source)}exports no Bolt app as \`app\` or as its default${exported}`;
  throw new SallyportError('ERR_CONFIG_INVALID', message);
}

/** The file that a function such as `() => import('./bolt-app.ts')` imports, as it is written there. */
function pathIn(source: AppSource): string {
  if (typeof source !== 'function') return '';
  const path = /[iI]mport\(\s*["'`]([\w./@-]{1,200})["'`]/.exec(String(source))?.[1];
  return path === undefined ? '' : `${path} `;
}

const partOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const isApp = (value: unknown): value is BoltApp => typeof partOf(value, 'processEvent') === 'function';

/**
 * Settles what a worker needs and an app that listens by itself does not: failures that show, and calls that are not
 * repeated behind the worker's back. What the app's author chose stays.
 */
export function adaptApp(app: BoltApp): void {
  // Clients are made with each event, so options that are set now reach all of them.
  const options = app.webClientOptions;
  if (options.retryConfig === undefined) {
    // Bolt's default repeats a call up to ten times in half an hour, after timeouts too: each could post again.
    options.retryConfig = { retries: 0 };
    options.rejectRateLimitedCalls ??= true;
  }
  giveFreshHeaders(options);
  rethrowAfterHandler(app);
}

/**
 * Slack's client writes its token to the headers it is given: with an object that all clients share, each of them would
 * send the token of the first.
 */
export function giveFreshHeaders(options: webApi.WebClientOptions): void {
  if (options.headers === undefined) return;
  const headers = { ...options.headers };
  Object.defineProperty(options, 'headers', { enumerable: true, get: () => ({ ...headers }) });
}

/** An error handler of the app's own that returns makes a failed event look like a good one; Bolt's default rethrows. */
function rethrowAfterHandler(app: BoltApp): void {
  const handler: unknown = Reflect.get(app, 'errorHandler');
  if (Reflect.get(app, 'hasCustomErrorHandler') !== true || typeof handler !== 'function') return;
  app.error(async (raised: unknown) => {
    await handler(raised);
    // With `extendedErrorHandler` the error comes among other things.
    throw raised instanceof Error ? raised : partOf(raised, 'error');
  });
}
