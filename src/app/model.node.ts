import type { Check as Examination } from '../channels/module.node.ts';
import type { Config } from '../config/schema.ts';
import { defined } from '../core/defined.ts';
import { SallyportError } from '../core/errors.ts';
import { noTracer, type Tracer } from '../core/tracer.ts';
import type { Clients } from '../net/clients.ts';
import { examineModel, type ModelEndpoint, probeModel } from '../ops/model-endpoint.ts';
import type { Check } from '../ops/ready.ts';
import type { AskModel } from '../workers/agents/assistant/model.ts';
import type { AgentConfig, AgentDefinitionConfig } from '../workers/agents/settings.ts';
import type { SdkModel } from '../workers/budget/metered-model.ts';
import { createPrices, type PriceOf } from '../workers/budget/prices.ts';

/** A model as an agent names it: by its name at the configured endpoint, or as an object of the AI SDK. */
export type GivenModel = AgentDefinitionConfig['model'];

/** The models of the configured endpoint by name, and those of the AI SDK. The SDK is loaded with the first call. */
export function openModels(
  { llm }: AgentConfig,
  clients: Clients,
  tracer: Tracer = noTracer,
): (model: GivenModel) => AskModel {
  const { baseUrl, apiKey, timeout, maxTokensField: field } = llm;
  const maxTokensField = field === 'auto' ? undefined : field;
  const open = async () => {
    if (baseUrl === undefined) throw missing('LLM_BASE_URL');
    const { openModels: openEndpoint } = await import('../workers/agents/assistant/ask-model.ts');
    const { fetch } = clients.open('model', [baseUrl], { timeoutMs: timeout });
    return openEndpoint({ baseUrl, apiKey, maxTokensField, fetch, tracer });
  };
  let opened: ReturnType<typeof open> | undefined;
  return (model = llm.model) => {
    if (typeof model === 'object') {
      return async (question) => {
        const { openSdkModel } = await import('../workers/agents/assistant/ask-model.ts');
        // Checked where the configuration was read.
        return openSdkModel(model as SdkModel, { timeoutMs: timeout, tracer })(question);
      };
    }
    return async (question) => {
      if (model === undefined) throw missing('LLM_MODEL');
      opened ??= open();
      return (await opened)(model)(question);
    };
  };
}

const missing = (setting: string): SallyportError =>
  new SallyportError('ERR_CONFIG_INVALID', `${setting}: is required`);

/** What models cost where they are called. */
export const pricesOf = ({ prices, agent: { llm } }: Config): PriceOf =>
  createPrices({ ...prices, ...defined({ baseUrl: llm.baseUrl }) });

/** Models of agents, those of the endpoint by name and those of the AI SDK, that have no known price. They are never called. */
export async function unpricedModels(config: Config): Promise<Exclude<GivenModel, undefined>[]> {
  const own = config.agents.filter(({ instructions }) => instructions !== undefined);
  const used = [config.agent.llm.model, ...own.map(({ model }) => model)].filter((model) => model !== undefined);
  const models = [...new Set(used)];
  const priceOf = pricesOf(config);
  const prices = await Promise.all(
    models.map((one) => (typeof one === 'string' ? priceOf(one) : priceOf(one.modelId, one.provider))),
  );
  return models.filter((_, i) => prices[i] === null);
}

/**
 * A model of the AI SDK is part of the configuration, so that it cannot be called is known at the start.
 * @throws SallyportError ERR_CONFIG_INVALID for one without a known price
 */
export async function needPrices(config: Config): Promise<void> {
  const unpriced = new Set(await unpricedModels(config));
  const one = config.agents.find(({ model }) => typeof model === 'object' && unpriced.has(model));
  if (typeof one?.model !== 'object') return;
  const { modelId } = one.model;
  const message = `agent ${one.name}: the price of its model ${modelId} is unknown; set prices.models['${modelId}'] to { input, output } in US dollars per million tokens, 0 for a free one`;
  throw new SallyportError('ERR_CONFIG_INVALID', message);
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
  const hasSdkModels = config.agents.some(({ model }) => typeof model === 'object');
  return [
    ...(endpoint === null ? [] : [{ name: 'model', run: () => modelsAreWell(config, endpoint) }]),
    ...(hasSdkModels ? [{ name: 'AI SDK models', run: () => needPrices(config).then(() => 'prices are known') }] : []),
  ];
}

async function modelsAreWell(config: Config, endpoint: ModelEndpoint): Promise<string> {
  const answers = await examineModel(endpoint);
  const unpriced = (await unpricedModels(config)).find((model) => typeof model === 'string');
  if (unpriced === undefined) return `${answers}, prices are known`;
  throw new Error(`LLM_PRICE_INPUT, LLM_PRICE_OUTPUT: the price of ${unpriced} is unknown, so it is never called`);
}
