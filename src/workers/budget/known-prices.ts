import { calcPrice, findProvider, type Usage } from '@pydantic/genai-prices';
import { defined } from '../../core/defined.ts';
import { type Price, roundUp, type TokenUse } from './budget.ts';

/**
 * The price of a model by the bundled list, which asks no network. Null when the list does not know it. `baseUrl` or the
 * name of the vendor picks the seller where the list knows it; otherwise the model's own vendor stands for whoever serves it.
 */
export function knownPrice(
  model: string,
  { baseUrl, vendor }: { readonly baseUrl?: string | undefined; readonly vendor?: string },
): Price | null {
  const named = vendor === undefined ? undefined : findProvider({ providerId: vendor });
  const provider = baseUrl === undefined ? named : findProvider({ providerApiUrl: baseUrl });
  const options = defined({ provider });
  const cost = (use: TokenUse): number | null => {
    try {
      const price = calcPrice(usageOf(use), model, options);
      return price === null ? null : roundUp(price.total_price * 1e6);
    } catch {
      return null;
    }
  };
  if (cost({ input: 1, output: 1 }) === null) return null;
  return {
    cost,
    // Writing to a vendor's cache costs more than plain input, where there is one. Longer input is never cheaper.
    worst: (input, output) =>
      Math.max(cost({ input, output }) ?? 0, cost({ input, output, cacheWrite: input }) ?? Number.POSITIVE_INFINITY),
  };
}

const usageOf = ({ input, output, cacheRead = 0, cacheWrite = 0 }: TokenUse): Usage => ({
  input_tokens: input,
  output_tokens: output,
  cache_read_tokens: cacheRead,
  cache_write_tokens: cacheWrite,
});
