import { blocked } from './guard/reasons.ts';
import { isRedirect, type Method } from './guard/redirect.ts';
import type { GuardedFetch, GuardedInit } from './guarded-fetch.ts';

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

export interface WatchedFetch {
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
      ...(body === undefined ? {} : { body }),
      ...(request.redirect === 'follow' ? {} : { redirect: 'manual' }),
    });
    const { status, headers } = response;
    if (request.redirect === 'error' && isRedirect(status)) throw blocked('redirect-too-many');
    headers.delete('content-encoding');
    headers.delete('content-length');
    return new Response(bodiless.has(status) ? null : response.body, { status, headers });
  };
}
