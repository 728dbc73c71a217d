import { withinTime } from '../core/linked-signal.ts';
import { trimEndOf } from '../core/text/cap.ts';
import { isProxyError } from '../net/guard/reasons.ts';

type Fetch = typeof globalThis.fetch;

/** Milliseconds our own public URL may take to answer. */
const ANSWER_MS = 5_000;

export async function isReachable(publicUrl: string, fetch: Fetch): Promise<string> {
  const response = await ask(fetch, new URL('health', `${trimEndOf(publicUrl, '/')}/`), {});
  if (!response.ok) throw new Error(`SALLYPORT_PUBLIC_URL: /health answers ${response.status}`);
  return 'reachable';
}

async function ask(fetch: Fetch, url: URL, init: RequestInit): Promise<Response> {
  return withinTime(ANSWER_MS, undefined, (signal) => fetch(url, { ...init, signal })).catch((error: unknown) => {
    if (isProxyError(error)) throw error;
    throw new Error(`nothing answers at ${url.origin}`);
  });
}
