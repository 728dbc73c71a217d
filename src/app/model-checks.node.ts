import type { Check as Examination } from '../channels/module.ts';
import type { Config } from '../config/schema.ts';
import type { Clients } from '../net/clients.ts';
import { examineModel, type ModelEndpoint, probeModel } from '../ops/model-endpoint.ts';
import type { Check } from '../ops/ready.ts';
import { unpricedModels } from './model.node.ts';

/** The configured endpoint, for looking at it; null when there is none. */
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
  throw new Error(`LLM_PRICE_INPUT, LLM_PRICE_OUTPUT: nobody knows what ${unpriced} costs, so it is never called`);
}
