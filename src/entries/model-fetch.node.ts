import { asFetch, type WatchableFetch } from '../workers/outbound/as-fetch.ts';
import { allowEntry } from '../workers/outbound/check-url.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';

/** An answer with all its reasoning; vendors' longest are a tenth of it. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The client of the configured endpoint: its host may be private, and no other. */
export function modelFetch(baseUrl: string, timeoutMs: number): WatchableFetch {
  const allow = [allowEntry(baseUrl)].filter((entry) => entry !== null);
  return asFetch(createGuardedFetch({ resolve: createDnsResolve(), allow, timeoutMs, maxBytes: MAX_BYTES }));
}
