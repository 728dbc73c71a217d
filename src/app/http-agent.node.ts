import { SallyportError } from '../core/errors.ts';
import type { Agent } from '../workers/agent.ts';
import { createHttpAgent } from '../workers/agents/http/agent.ts';
import { httpEndpoints, type NamedEndpoint } from '../workers/agents/http/settings.ts';
import type { Runtime } from './runtime.node.ts';

/** Somebody else's program. Its client may reach the host and port of its own URL even where they are private. */
export function openHttpAgent({ name, http }: NamedEndpoint, { clients, config, scrub, metrics }: Runtime): Agent {
  const { url, secrets: keys, timeout: timeoutMs, callbackTimeout: callbackTimeoutMs, reserve } = http;
  const { request: fetch } = clients.open('agent', [url], { timeoutMs });
  const { publicUrl } = config.server;
  return createHttpAgent(
    { name, url, keys, timeoutMs, callbackTimeoutMs, reserve, publicUrl },
    { fetch, scrub, meter: metrics.meter, clock: Date.now },
  );
}

/** The one of the environment. @throws SallyportError ERR_CONFIG_INVALID: none is configured */
export function openBuiltInHttpAgent(runtime: Runtime): Agent {
  const builtIn = httpEndpoints(runtime.config).find(({ name }) => name === 'http');
  if (builtIn === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_AGENT_URL: is required');
  return openHttpAgent(builtIn, runtime);
}
