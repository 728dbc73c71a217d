import { type Price, roundUp } from './budget.ts';

/**
 * Null: nobody knows, so it must not be called. `provider` is the one that the AI SDK names; absent for models of the
 * configured endpoint.
 */
export type PriceOf = (model: string, provider?: string) => Promise<Price | null>;

/** US dollars per million tokens, as vendors list them. That is micro-dollars per token. */
export interface ListPrice {
  readonly input: number;
  readonly output: number;
}

export interface PriceSettings {
  /** Holds for every model of the endpoint that has no price of its own. */
  readonly standard?: ListPrice | undefined;
  readonly models: Readonly<Record<string, ListPrice>>;
  /** Where the models are called: the same name has other prices elsewhere. */
  readonly baseUrl?: string;
}

/** Prices that were configured, and for what was not the list that comes with @pydantic/genai-prices. */
export function createPrices({ standard, models, baseUrl }: PriceSettings): PriceOf {
  return async (model, provider) => {
    // `anthropic.messages`, `google.vertex.chat`: the vendor, then which of its APIs.
    const vendor = provider?.split('.')[0];
    const configured =
      (vendor === undefined ? undefined : own(models, `${vendor}/${model}`)) ??
      own(models, model) ??
      // The price of the endpoint says nothing of what others serve: zero, for a local one, would make them free.
      (vendor === undefined ? standard : undefined);
    if (configured !== undefined) return listed(configured);
    // 0.8 MB of prices: loaded when the first model without a configured one is called.
    const { knownPrice } = await import('./known-prices.ts');
    return knownPrice(model, vendor === undefined ? { baseUrl } : { vendor });
  };
}

const own = (models: PriceSettings['models'], name: string): ListPrice | undefined =>
  Object.hasOwn(models, name) ? models[name] : undefined;

function listed({ input, output }: ListPrice): Price {
  const worst = (inputTokens: number, outputTokens: number): number =>
    roundUp(inputTokens * input + outputTokens * output);
  return { worst, cost: (use) => worst(use.input, use.output) };
}
