import type { AgentConfig } from '../config/agent.ts';
import type { Config } from '../config/schema.ts';
import { SallyportError } from '../core/errors.ts';
import type { AskModel } from '../workers/agent/assistant/model.ts';
import { createPrices, type PriceOf } from '../workers/budget/prices.ts';
import { asFetch } from '../workers/outbound/as-fetch.ts';
import { allowEntry } from '../workers/outbound/check-url.ts';
import { createGuardedFetch } from '../workers/outbound/guarded-fetch.ts';
import { createDnsResolve } from '../workers/outbound/resolve.ts';

/** An answer with all its reasoning; vendors' longest are a tenth of it. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The client of the configured endpoint: its host may be private, and no other. */
export function modelFetch(baseUrl: string, timeoutMs: number): typeof globalThis.fetch {
  const allow = [allowEntry(baseUrl)].filter((entry) => entry !== null);
  return asFetch(createGuardedFetch({ resolve: createDnsResolve(), allow, timeoutMs, maxBytes: MAX_BYTES }));
}

/** The models of the configured endpoint by name. The AI SDK is loaded with the first call. */
export function openModels({ llm }: AgentConfig): (model: string | undefined) => AskModel {
  const { baseUrl, apiKey, timeout } = llm;
  const open = async () => {
    if (baseUrl === undefined) throw missing('LLM_BASE_URL');
    const { openModels: openEndpoint } = await import('../workers/agent/assistant/ask-model.ts');
    return openEndpoint({ baseUrl, apiKey, fetch: modelFetch(baseUrl, timeout) });
  };
  let opened: ReturnType<typeof open> | undefined;
  return (model = llm.model) =>
    async (question) => {
      if (model === undefined) throw missing('LLM_MODEL');
      opened ??= open();
      return (await opened)(model)(question);
    };
}

const missing = (setting: string): SallyportError =>
  new SallyportError('ERR_CONFIG_INVALID', `${setting}: is required`);

/** What models cost where they are called. */
export const pricesOf = ({ prices, agent: { llm } }: Config): PriceOf =>
  createPrices({ ...prices, ...(llm.baseUrl === undefined ? {} : { baseUrl: llm.baseUrl }) });

/** Names of models that agents would call and nobody knows the price of: they are never called. */
export async function unpricedModels(config: Config): Promise<string[]> {
  const own = config.agents
    .filter(({ instructions }) => instructions !== undefined)
    .map(({ model }) => model ?? config.agent.llm.model);
  const priceOf = pricesOf(config);
  const used = [...new Set([config.agent.llm.model, ...own])].filter((model) => model !== undefined);
  const prices = await Promise.all(used.map(priceOf));
  return used.filter((_, i) => prices[i] === null);
}
