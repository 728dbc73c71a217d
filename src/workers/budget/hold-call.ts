import { SallyportError } from '../../core/errors.ts';
import type { Usage } from '../../core/event.ts';
import type { Held, HeldCall, ModelCall } from './budget.ts';
import type { Price, TokenUse } from './price.ts';
import type { PriceOf } from './prices.ts';
import { inputTokensAtMost } from './worst-case.ts';

/** Reserves a model call's worst case. @throws SallyportError ERR_PRICE_UNKNOWN, or what `hold` throws */
export async function holdCall(
  { model, input, attachedTokens = 0, maxOutputTokens }: ModelCall,
  priceOf: PriceOf,
  hold: (worst: Partial<Usage>) => Promise<Held>,
): Promise<HeldCall> {
  const price = await priceOf(model);
  if (price === null) throw new SallyportError('ERR_PRICE_UNKNOWN', 'nobody knows what the model costs');
  const inputTokens = inputTokensAtMost(input) + attachedTokens;
  const usdMicros = price.worst(inputTokens, maxOutputTokens);
  const held = await hold({ usdMicros, inputTokens, outputTokens: maxOutputTokens, modelCalls: 1 });
  return {
    settle: (use) => held.settle(use === undefined ? {} : usageOf(use, price)),
    refused: () => held.settle({ usdMicros: 0, inputTokens: 0, outputTokens: 0 }),
  };
}

/** What the price list cannot make sense of is left out, so that the worst case stands. */
function usageOf(use: TokenUse, price: Price): Partial<Usage> {
  const usdMicros = price.cost(use);
  return {
    inputTokens: use.input,
    outputTokens: use.output,
    ...(usdMicros === null ? {} : { usdMicros }),
  };
}
