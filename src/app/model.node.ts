import type { Check as Examination } from '../channels/module.node.ts';
import type { Config } from '../config/schema.ts';
import { defined } from '../core/defined.ts';
import { SallyportError } from '../core/errors.ts';
import { noTracer, type Tracer } from '../core/tracer.ts';
import type { Clients } from '../net/clients.ts';
import { examineModel, type ModelEndpoint, probeModel } from '../ops/model-endpoint.ts';
import type { Check } from '../ops/ready.ts';
import type { AskModel } from '../workers/agents/assistant/model.ts';
import type { AgentConfig } from '../workers/agents/settings.ts';
import { createPrices, type PriceOf } from '../workers/budget/prices.ts';

/** The models of the configured endpoint by name. The AI SDK is loaded with the first call. */
export function openModels(
  { llm }: AgentConfig,
  clients: Clients,
  tracer: Tracer = noTracer,
): (model: string | undefined) => AskModel {
  const { baseUrl, apiKey, timeout, maxTokensField: field } = llm;
  const maxTokensField = field === 'auto' ? undefined : field;
  const open = async () => {
    if (baseUrl === undefined) throw missing('LLM_BASE_URL');
    const { openModels: openEndpoint } = await import('../workers/agents/assistant/ask-model.ts');
    const { fetch } = clients.open('model', [baseUrl], { timeoutMs: timeout });
    return openEndpoint({ baseUrl, apiKey, maxTokensField, fetch, tracer });
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
  createPrices({ ...prices, ...defined({ baseUrl: llm.baseUrl }) });

/** Names of models of agents that have no known price. They are never called. */
export async function unpricedModels(config: Config): Promise<string[]> {
  const own = config.agents.filter(({ instructions }) => instructions !== undefined);
  const used = [config.agent.llm.model, ...own.map(({ model }) => model)].filter((model) => model !== undefined);
  const models = [...new Set(used)];
  const prices = await Promise.all(models.map(pricesOf(config)));
  return models.filter((_, i) => prices[i] === null);
}

/** The configured endpoint, for checks; null without one. */
function endpointOf({ agent: { llm } }: Config, clients: Clients): ModelEndpoint | null {
  const { baseUrl, apiKey, timeout } = llm;
  if (baseUrl === undefined) return null;
  return { baseUrl, apiKey, fetch: clients.open('model', [baseUrl], { timeoutMs: timeout }).fetch };
}

/** For `/ready`: without its model the process still accepts, so this only informs. */
export function modelCheck(config: Config, clients: Clients): Check[] {
  const endpoint = endpointOf(config, clients);
  return endpoint === null ? [] : [{ name: 'model', isOptional: true, probe: probeModel(endpoint, Date.now) }];
}

/** For `sallyport doctor`. */
export function modelExaminations(config: Config, clients: Clients): Examination[] {
  const endpoint = endpointOf(config, clients);
  return endpoint === null ? [] : [{ name: 'model', run: () => modelsAreWell(config, endpoint) }];
}

async function modelsAreWell(config: Config, endpoint: ModelEndpoint): Promise<string> {
  const answers = await examineModel(endpoint);
  const [unpriced] = await unpricedModels(config);
  if (unpriced === undefined) return `${answers}, prices are known`;
  throw new Error(`LLM_PRICE_INPUT, LLM_PRICE_OUTPUT: the price of ${unpriced} is unknown, so it is never called`);
}
