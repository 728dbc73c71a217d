import { defined } from '../core/defined.ts';
import { parseUrl } from '../core/text/url.ts';
import { noTracer, type Tracer } from '../core/tracer.ts';
import { allowEntry } from './guard/check-url.ts';
import { blocked, failed } from './guard/reasons.ts';
import { isRedirect, type Method } from './guard/redirect.ts';
import { createDnsResolve, type Resolve } from './guard/resolve.ts';
import type { GuardedFetch, GuardedFetchOptions, GuardedInit } from './guarded-fetch.ts';

/** What a client is for, where the configuration names whom it asks. */
export type Purpose = 'vendor' | 'model' | 'agent' | 'guardrail' | 'checkpoint' | 'check';

export interface ClientLimits {
  /** Of a whole request, name lookup and body included, in ms. Default 10 s. */
  readonly timeoutMs?: number;
  /** Of a response's body, on the wire and decoded. Default: that of the purpose. */
  readonly maxBytes?: number;
}

/** One guarded client in two shapes, which share their sockets. */
export interface Client {
  readonly request: GuardedFetch;
  /** For libraries that take a `fetch`. */
  readonly fetch: WatchableFetch;
}

/** Makes the clients of all that leaves the process, and closes them together. */
export interface Clients {
  /**
   * A client of its own for `urls`, which the configuration (or this program) names: the hosts of these, with their
   * ports, may be private. Everything else it is sent to must be public.
   */
  open(purpose: Purpose, urls: readonly string[], limits?: ClientLimits): Client;
  /** A client for URLs a stranger chose: public hosts only, and only those `isListed` has when it is given. */
  openTool(isListed?: (host: string) => boolean): Client;
  /**
   * Refuses new requests, waits for those under way, `graceMs` at most, and closes every socket.
   */
  close(graceMs: number): Promise<void>;
}

/** The process's clients in the form in which channels open them. */
export const vendorFetch =
  (clients: Clients) =>
  (urls: readonly string[], limits?: ClientLimits): WatchableFetch =>
    clients.open('vendor', urls, limits).fetch;

/**
 * Bytes of an answer. Of a model: with all its reasoning; vendors' longest are a tenth of it. Of a guardrail: a reply it
 * changed, with room for escapes.
 */
const maxBytes: Readonly<Record<Purpose, number>> = {
  vendor: 2 * 1024 * 1024,
  model: 8 * 1024 * 1024,
  agent: 2 * 1024 * 1024,
  guardrail: 1024 * 1024,
  checkpoint: 2 * 1024 * 1024,
  check: 64 * 1024,
};

/** Who is reached through the proxy, where there is one. Tools are not: a proxy may reach what they must not. */
const isProxied: ReadonlySet<Purpose> = new Set<Purpose>(['vendor', 'model']);

export interface ClientsOptions {
  /** `SALLYPORT_HTTPS_PROXY`: vendors and models are reached through it, unless their hosts are private. */
  readonly proxy?: string | undefined;
  /** Certificates (PEM) trusted beside the usual roots, for tests. */
  readonly ca?: readonly string[];
  /** Default: the machine's own way of looking up names. */
  readonly resolve?: Resolve;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
}

/** One of these for a process: whoever makes another must close it. */
export function createClients({
  proxy,
  resolve = createDnsResolve(),
  tracer = noTracer,
  ...common
}: ClientsOptions = {}): Clients {
  const opened: GuardedFetch[] = [];
  let isClosed = false;
  const open = (
    options: Omit<GuardedFetchOptions, 'resolve'>,
    purpose: Purpose | 'tool',
    urls: readonly string[] = [],
  ): Client => {
    const loading = loadedWithFirstUse({ resolve, ...common, ...options }, () => isClosed);
    const request = traced(loading, tracer, purpose, urls);
    opened.push(request);
    return { request, fetch: asFetch(request) };
  };
  return {
    open(purpose, urls, limits = {}) {
      const allow = urls.map(allowEntry).filter((entry) => entry !== null);
      const way = proxy !== undefined && isProxied.has(purpose) ? { proxy } : {};
      return open({ allow, maxBytes: maxBytes[purpose], ...way, ...limits }, purpose, urls);
    },
    openTool: (isListed) => open(isListed === undefined ? {} : { isListed }, 'tool'),
    async close(graceMs) {
      isClosed = true;
      await Promise.all(opened.map((client) => client.close(graceMs)));
    },
  };
}

/** undici costs a process 50 ms; one that only receives may never need it. */
function loadedWithFirstUse(options: GuardedFetchOptions, isClosed: () => boolean): GuardedFetch {
  let loading: Promise<GuardedFetch> | undefined;
  const load = async (): Promise<GuardedFetch> => (await loadClient()).createGuardedFetch(options);
  const request = async (...args: Parameters<GuardedFetch>): ReturnType<GuardedFetch> => {
    if (isClosed()) throw failed('client-closed');
    loading ??= load();
    return (await loading)(...args);
  };
  return Object.assign(request, { close: async (graceMs?: number) => (await loading)?.close(graceMs) });
}

/**
 * The client with a span for each request that is made within one. It names a host only if that is one of `urls`: what a
 * tool or a sender chose may hold anything.
 */
function traced(request: GuardedFetch, tracer: Tracer, purpose: string, urls: readonly string[]): GuardedFetch {
  const hosts = new Set(urls.map((url) => parseUrl(url)?.hostname));
  const send = (...[url, init]: Parameters<GuardedFetch>): ReturnType<GuardedFetch> => {
    const span = tracer.current();
    if (span.traceparent === undefined) return request(url, init);
    const host = parseUrl(url)?.hostname;
    const facts = { purpose, method: init?.method ?? 'GET', host: hosts.has(host) ? host : undefined };
    return span.part('http', facts, async (part) => {
      const response = await request(url, init);
      const { status } = response;
      // The convention's word for what a client got: its status.
      part.note({ status, code: status >= 400 ? String(status) : undefined });
      return response;
    });
  };
  return Object.assign(send, { close: request.close });
}

/** What the first request would load. A worker loads it before its first run. */
export const loadClient = () => import('./guarded-fetch.ts');

const methods: ReadonlySet<string> = new Set<Method>(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);
const isMethod = (method: string): method is Method => methods.has(method);

/** RFC 9110: responses that have no content; `Response` refuses a body for them. */
const bodiless = new Set([204, 205, 304]);

type Fetch = typeof globalThis.fetch;

/** `fetch` that can tell what its requests may have cost. */
export type WatchableFetch = Fetch & {
  /** For the requests of one piece of work. */
  watch(): WatchedFetch;
};

interface WatchedFetch {
  readonly fetch: Fetch;
  /**
   * Whether no request was served so far: each was refused by a complete answer other than 2xx, or nothing of it was
   * sent. False for one that was cut off, timed out or aborted once its first byte was written: what became of it is not
   * known.
   */
  isUnserved(): boolean;
}

/**
 * The guarded client in the shape of `fetch`, for libraries that take one. Bodies are read to their end before the
 * promise resolves. Redirects of requests other than GET and HEAD come back as responses.
 * @throws as `GuardedFetch` does.
 */
export function asFetch(guarded: GuardedFetch): WatchableFetch {
  return Object.assign(fetchOver(guarded), { watch: () => watchedOver(guarded) });
}

function watchedOver(guarded: GuardedFetch): WatchedFetch {
  // Counted at the first byte, so that a request nobody waits for any more is among them.
  let served = 0;
  return {
    async fetch(input, init) {
      let sent = 0;
      const onSending = (): void => {
        sent += 1;
        served += 1;
      };
      const response = await fetchOver(guarded, { onSending })(input, init);
      if (!response.ok) served -= sent;
      return response;
    },
    isUnserved: () => served === 0,
  };
}

function fetchOver(guarded: GuardedFetch, more: Pick<GuardedInit, 'onSending'> = {}): Fetch {
  return async (input, init) => {
    // The URL goes around `Request`, whose parser would repair what the guard must see, and quote it in its errors.
    const request = input instanceof Request ? new Request(input, init) : new Request('http://body.invalid/', init);
    if (!isMethod(request.method)) throw blocked('request-malformed');
    const url = input instanceof Request ? input.url : String(input);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const response = await guarded(url, {
      ...more,
      method: request.method,
      headers: Object.fromEntries(request.headers),
      signal: request.signal,
      ...defined({ body }),
      ...(request.redirect !== 'follow' && { redirect: 'manual' }),
    });
    const { status, headers } = response;
    if (request.redirect === 'error' && isRedirect(status)) throw blocked('redirect-too-many');
    headers.delete('content-encoding');
    headers.delete('content-length');
    return new Response(bodiless.has(status) ? null : response.body, { status, headers });
  };
}
