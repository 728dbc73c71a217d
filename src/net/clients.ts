import { asFetch, type WatchableFetch } from './as-fetch.ts';
import { allowEntry } from './guard/check-url.ts';
import { failed } from './guard/reasons.ts';
import { createDnsResolve, type Resolve } from './guard/resolve.ts';
import type { GuardedFetch, GuardedFetchOptions } from './guarded-fetch.ts';

/** What a client is for, where the configuration names whom it asks. */
export type Purpose = 'vendor' | 'model' | 'agent' | 'guardrail' | 'checkpoint';

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
}

/** One of these for a process: whoever makes another must close it. */
export function createClients({ proxy, resolve = createDnsResolve(), ...common }: ClientsOptions = {}): Clients {
  const opened: GuardedFetch[] = [];
  let isClosed = false;
  const open = (options: Omit<GuardedFetchOptions, 'resolve'>): Client => {
    const request = loadedWithFirstUse({ resolve, ...common, ...options }, () => isClosed);
    opened.push(request);
    return { request, fetch: asFetch(request) };
  };
  return {
    open(purpose, urls, limits = {}) {
      const allow = urls.map(allowEntry).filter((entry) => entry !== null);
      const way = proxy !== undefined && isProxied.has(purpose) ? { proxy } : {};
      return open({ allow, maxBytes: maxBytes[purpose], ...way, ...limits });
    },
    openTool: (isListed) => open(isListed === undefined ? {} : { isListed }),
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

/** What the first request would load. A worker loads it before its first run. */
export const loadClient = () => import('./guarded-fetch.ts');
