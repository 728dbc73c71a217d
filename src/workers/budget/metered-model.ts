import { APICallError, type LanguageModelMiddleware, wrapLanguageModel } from 'ai';
import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { HeldCall, ModelCall, RunBudget, TokenUse } from './budget.ts';

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
    ...defined({ cacheRead: inputTokens.cacheRead, cacheWrite: inputTokens.cacheWrite }),
  };
}

type CallOptions = Parameters<NonNullable<LanguageModelMiddleware['wrapGenerate']>>[0]['params'];
type Message = CallOptions['prompt'][number];
type Part = Exclude<Message['content'], string>[number];

/** OpenAI's dearest picture: gpt-4o-mini counts 2,833 tokens and 5,667 for each of up to 8 tiles (platform docs, "Vision"). */
const PICTURE_TOKENS = 50_000;

/**
 * All that a call sends, as text and as a bound for the rest.
 * @throws SallyportError ERR_PRICE_UNKNOWN for what has no bound: a file the vendor fetches itself, a document whose
 * pages it draws, a tool the vendor runs
 */
function describeInput({
  prompt,
  tools,
  toolChoice,
  responseFormat,
}: CallOptions): Pick<ModelCall, 'input' | 'attachedTokens'> {
  if (tools?.some(({ type }) => type !== 'function')) throw unbounded();
  const parts = prompt.flatMap(({ content }): readonly Part[] => (typeof content === 'string' ? [] : content));
  return {
    input: JSON.stringify({ prompt, tools, toolChoice, responseFormat }, withoutBytes),
    attachedTokens: parts.reduce((sum, part) => sum + attachedTo(part), 0),
  };
}

/** Bytes are counted as what they are attached as; text that holds them in base64 is counted twice, which is safe. */
const withoutBytes = (_: string, value: unknown): unknown => (value instanceof Uint8Array ? '' : value);

function attachedTo(part: Part): number {
  if (part.type === 'file') return fileTokens(part.mediaType, part.data);
  if (part.type !== 'tool-result' || part.output.type !== 'content') return 0;
  return part.output.value.reduce((sum, item) => {
    if (item.type === 'text') return sum;
    if (item.type === 'file-data' || item.type === 'image-data') return sum + fileTokens(item.mediaType, item.data);
    throw unbounded();
  }, 0);
}

function fileTokens(mediaType: string, data: string | Uint8Array | URL): number {
  if (data instanceof URL) throw unbounded();
  if (mediaType.startsWith('image/')) return Math.max(PICTURE_TOKENS, data.length);
  if (/^(text|audio)\//.test(mediaType)) return data.length;
  throw unbounded();
}

const unbounded = (): SallyportError =>
  new SallyportError('ERR_PRICE_UNKNOWN', 'nobody knows how many tokens a part of the input is');
