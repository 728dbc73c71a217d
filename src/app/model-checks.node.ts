import type { Examination } from '../cli/commands/doctor.ts';
import type { Config } from '../config/schema.ts';
import { examineModel, type ModelEndpoint, probeModel } from '../ops/model-endpoint.ts';
import type { Check } from '../ops/ready.ts';
import { unpricedModels } from './model.node.ts';

/** The configured endpoint, for looking at it; null when there is none. Its client is loaded with the first look. */
function endpointOf({ agent: { llm } }: Config): ModelEndpoint | null {
  const { baseUrl, apiKey, timeout } = llm;
  if (baseUrl === undefined) return null;
  let opened: Promise<typeof globalThis.fetch> | undefined;
  const open = async () => (await import('./model-fetch.node.ts')).modelFetch(baseUrl, timeout);
  return {
    baseUrl,
    apiKey,
    fetch: async (input, init) => {
      opened ??= open();
      return (await opened)(input, init);
    },
  };
}

/** For `/ready`: without its model the process still accepts, so this only informs. */
export function modelCheck(config: Config): Check[] {
  const endpoint = endpointOf(config);
  return endpoint === null ? [] : [{ name: 'model', isOptional: true, probe: probeModel(endpoint, Date.now) }];
}

/** For `sallyport doctor`. */
export function modelExaminations(config: Config): Examination[] {
  const endpoint = endpointOf(config);
  return endpoint === null ? [] : [{ name: 'model', run: () => modelsAreWell(config, endpoint) }];
}

async function modelsAreWell(config: Config, endpoint: ModelEndpoint): Promise<string> {
  const answers = await examineModel(endpoint);
  const [unpriced] = await unpricedModels(config);
  if (unpriced === undefined) return `${answers}, prices are known`;
  throw new Error(`LLM_PRICE_INPUT, LLM_PRICE_OUTPUT: nobody knows what ${unpriced} costs, so it is never called`);
}
