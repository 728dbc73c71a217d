import { asFetch, type WatchableFetch } from '../net/as-fetch.ts';
import { allowEntry } from '../net/guard/check-url.ts';
import { createDnsResolve } from '../net/guard/resolve.ts';
import { createGuardedFetch } from '../net/guarded-fetch.ts';

/** An answer with all its reasoning; vendors' longest are a tenth of it. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The client of the configured endpoint: its host may be private, and no other. */
export function modelFetch(baseUrl: string, timeoutMs: number): WatchableFetch {
  const allow = [allowEntry(baseUrl)].filter((entry) => entry !== null);
  return asFetch(createGuardedFetch({ resolve: createDnsResolve(), allow, timeoutMs, maxBytes: MAX_BYTES }));
}
