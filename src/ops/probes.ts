import { SallyportError } from '../core/errors.ts';
import { withinTime } from '../core/linked-signal.ts';
import { trimEndOf } from '../core/text/cap.ts';
import type { Clients } from '../net/clients.ts';
import { isProxyError } from '../net/guard/reasons.ts';
import { canConnect } from '../net/tcp-check.ts';
import type { Check } from './ready.ts';
import type { ReadyCheck } from './settings.ts';

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

/** Between two looks at what the operator named, in ms: as often as Kubernetes probes by default. */
const CHECK_EVERY_MS = 10_000;

/**
 * The operator's own checks for `/ready`. A URL is well below 400. `isNeeded`: one that is not optional makes the process
 * unready.
 */
export const operatorChecks = (checks: readonly ReadyCheck[], clients: Clients, isNeeded: boolean): Check[] =>
  checks.map(({ name, url, tcp, optional }) => {
    const client = url === undefined ? null : clients.open('check', [url]);
    const probe = async (signal: AbortSignal): Promise<void> => {
      if (tcp !== undefined) await canConnect(tcp, signal);
      if (client === null || url === undefined) return;
      const { status } = await client.request(url, { redirect: 'manual', signal });
      if (status >= 400) throw new SallyportError('ERR_CHECK_FAILED', 'the dependency answers with an error');
    };
    return {
      name,
      isOptional: optional || !isNeeded,
      isPrivate: true,
      silence: 'ERR_CHECK_FAILED',
      everyMs: CHECK_EVERY_MS,
      probe,
    };
  });
