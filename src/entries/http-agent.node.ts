import { SallyportError } from '../core/errors.ts';
import type { Agent } from '../workers/agent/agent.ts';
import { createHttpAgent } from '../workers/agent/http/agent.ts';
import { allowEntry } from '../workers/outbound/check-url.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';
import type { Runtime } from './runtime.node.ts';

/** The configured program of somebody else. @throws SallyportError ERR_CONFIG_INVALID: none is configured */
export function openHttpAgent({ config, scrub, metrics }: Runtime): Agent {
  const { http } = config.agent;
  const { url, secrets: keys, timeout: timeoutMs, callbackTimeout: callbackTimeoutMs, reserve } = http;
  if (url === undefined || keys === undefined)
    throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_AGENT_URL: is required');
  const allow = [allowEntry(url)].filter((entry) => entry !== null);
  const fetch = createGuardedFetch({ resolve: createDnsResolve(), allow, timeoutMs });
  const { publicUrl } = config.server;
  return createHttpAgent(
    { name: 'http', url, keys, timeoutMs, callbackTimeoutMs, reserve, publicUrl },
    { fetch, scrub, meter: metrics.meter, clock: Date.now },
  );
}
