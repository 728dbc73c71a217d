import { APICallError, type LanguageModelMiddleware, wrapLanguageModel } from 'ai';
import { linkSignals } from '../../core/linked-signal.ts';
import type { HeldCall, RunBudget } from './budget.ts';
import { type CallOptions, describeInput } from './describe-input.ts';
import type { TokenUse } from './price.ts';

type Model = Parameters<typeof wrapLanguageModel>[0]['model'];
type MeteredModel = ReturnType<typeof wrapLanguageModel>;
type GenerateOptions = Parameters<NonNullable<LanguageModelMiddleware['wrapGenerate']>>[0];
type StreamOptions = Parameters<NonNullable<LanguageModelMiddleware['wrapStream']>>[0];
type Usage = Awaited<ReturnType<GenerateOptions['doGenerate']>>['usage'];
type Parts = Awaited<ReturnType<StreamOptions['doStream']>>['stream'];

/** Longest answer where the caller names none: about 3,000 words. */
const MAX_OUTPUT_TOKENS = 4_096;

/** Whether a call that failed with this error certainly cost nothing. */
export type IsUnserved = (error: unknown) => boolean;

/**
 * The model, with every call reserved before it is made and settled by what the vendor reports. Its output is always
 * limited, and the calls end with the run. A retry by the SDK is another call. `isUnserved` is asked about each failure;
 * by default, where nobody watches the model's connection, only an answer 4xx costs nothing.
 */
export function meteredModel(model: Model, budget: RunBudget, isUnserved: IsUnserved = isRefusal): MeteredModel {
  const reserve = (params: CallOptions, modelId: string): Promise<HeldCall> =>
    budget.reserveCall({
      ...describeInput(params),
      model: modelId,
      maxOutputTokens: params.maxOutputTokens ?? MAX_OUTPUT_TOKENS,
    });

  const middleware: LanguageModelMiddleware = {
    specificationVersion: 'v3',
    transformParams: async ({ params }) => ({
      ...params,
      maxOutputTokens: params.maxOutputTokens ?? MAX_OUTPUT_TOKENS,
    }),
    async wrapGenerate({ params, model }) {
      const call = await reserve(params, model.modelId);
      const { signal: abortSignal, release } = linkSignals([budget.signal, params.abortSignal]);
      const result = await orSettle(call, isUnserved, () => model.doGenerate({ ...params, abortSignal })).finally(
        release,
      );
      await call.settle(tokensOf(result.usage));
      budget.signal.throwIfAborted();
      return result;
    },
    async wrapStream({ params, model }) {
      const call = await reserve(params, model.modelId);
      const { signal: abortSignal, release } = linkSignals([budget.signal, params.abortSignal]);
      try {
        const result = await orSettle(call, isUnserved, () => model.doStream({ ...params, abortSignal }));
        return { ...result, stream: settledAtEnd(result.stream, call, budget, release) };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
  return wrapLanguageModel({ model, middleware });
}

/** A request the vendor answered with 4xx was not served. Whether any other failure cost something is not known. */
function isRefusal(error: unknown): boolean {
  const status = APICallError.isInstance(error) ? (error.statusCode ?? 0) : 0;
  return status >= 400 && status < 500;
}

/** What was certainly not served costs nothing; any other failure costs the worst case. */
async function orSettle<T>(call: HeldCall, isUnserved: IsUnserved, request: () => PromiseLike<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    await (isUnserved(error) ? call.refused() : call.settle());
    throw error;
  }
}

/** Usage comes with the last part. A stream that breaks or is left before it costs the worst case. */
function settledAtEnd(stream: Parts, call: HeldCall, budget: RunBudget, onEnd: () => void): Parts {
  const reader = stream.getReader();
  const settle = async (): Promise<void> => {
    onEnd();
    await call.settle();
  };
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (value?.type === 'finish') await call.settle(tokensOf(value.usage));
        budget.signal.throwIfAborted();
        if (!done) return controller.enqueue(value);
        await settle();
        controller.close();
      } catch (error) {
        await settle();
        await reader.cancel(error).catch(() => {
          // It is broken already.
        });
        controller.error(error);
      }
    },
    async cancel(reason) {
      await settle();
      await reader.cancel(reason);
    },
  });
}

/** Undefined when the vendor did not say. */
function tokensOf({ inputTokens, outputTokens }: Usage): TokenUse | undefined {
  if (inputTokens.total === undefined || outputTokens.total === undefined) return undefined;
  return {
    input: inputTokens.total,
    output: outputTokens.total,
    ...(inputTokens.cacheRead === undefined ? {} : { cacheRead: inputTokens.cacheRead }),
    ...(inputTokens.cacheWrite === undefined ? {} : { cacheWrite: inputTokens.cacheWrite }),
  };
}
