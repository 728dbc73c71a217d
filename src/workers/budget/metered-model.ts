import { APICallError, type LanguageModel } from 'ai';
import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import { linkSignals } from '../../core/linked-signal.ts';
import type { HeldCall, ModelCall, RunBudget, TokenUse } from './budget.ts';

/** A model of the AI SDK, of either version of its interface. */
export type SdkModel = Exclude<LanguageModel, string>;
type Model = Extract<SdkModel, { readonly specificationVersion: 'v3' }>;
type OlderModel = Extract<SdkModel, { readonly specificationVersion: 'v2' }>;
type CallOptions = Parameters<Model['doGenerate']>[0];
type Generated = Awaited<ReturnType<Model['doGenerate']>>;
type Parts = Awaited<ReturnType<Model['doStream']>>['stream'];
type OlderGenerated = Awaited<ReturnType<OlderModel['doGenerate']>>;

/** Longest answer where the caller names none: about 3,000 words. */
const MAX_OUTPUT_TOKENS = 4_096;

/** Shortest answer that is worth a call: a sentence. A budget that cannot pay it refuses the call. */
const MIN_OUTPUT_TOKENS = 16;

/** Whether a call that failed with this error certainly cost nothing. */
export type IsUnserved = (error: unknown) => boolean;

/**
 * The model, with every call reserved before it is made and settled by what the vendor reports. Its output is always
 * limited, by what the budget can still pay where that is less, and the calls end with the run. A retry by the SDK is
 * another call. `isUnserved` is asked about each failure; by default, where nobody watches the model's connection, only an
 * answer 4xx costs nothing. `provider` is whose price it has; absent: that of the endpoint.
 */
export function meteredModel(
  given: SdkModel,
  budget: RunBudget,
  isUnserved: IsUnserved = isRefusal,
  provider?: string,
): SdkModel {
  // The versions differ in the form of figures and reasons, which are read below, and not in how they are called.
  const model = given as Model;

  /** Reserves a call with an answer of `least` tokens or more; what it is made with is what was reserved. */
  async function reserve(params: CallOptions, least: number) {
    const wanted = params.maxOutputTokens ?? MAX_OUTPUT_TOKENS;
    const bounds = { maxOutputTokens: wanted, minOutputTokens: Math.min(least, wanted) };
    const asked = { ...describeInput(params), model: model.modelId, ...defined({ provider }), ...bounds };
    const held = await budget.reserveCall(asked);
    const { maxOutputTokens } = held;
    const { signal: abortSignal, release } = linkSignals([budget.signal, params.abortSignal]);
    const isLowered = maxOutputTokens < wanted;
    return { held, isLowered, release, reserved: { ...params, maxOutputTokens, abortSignal } };
  }

  async function generate(params: CallOptions, least: number): Promise<Generated> {
    const { held, isLowered, reserved, release } = await reserve(params, least);
    const result = await orSettle(held, isUnserved, () => model.doGenerate(reserved)).finally(release);
    await held.settle(tokensOf(result.usage));
    budget.signal.throwIfAborted();
    // A model with reasoning may use a lowered limit up before it says anything. No answer is worse than a refusal.
    return isLowered && isEmpty(result) ? generate(params, Number.POSITIVE_INFINITY) : result;
  }

  const metered: Model = {
    specificationVersion: model.specificationVersion,
    provider: model.provider,
    modelId: model.modelId,
    get supportedUrls() {
      return model.supportedUrls;
    },
    doGenerate: (params) => generate(params, MIN_OUTPUT_TOKENS),
    async doStream(params) {
      const { held, reserved, release } = await reserve(params, MIN_OUTPUT_TOKENS);
      try {
        const result = await orSettle(held, isUnserved, () => model.doStream(reserved));
        return { ...result, stream: settledAtEnd(result.stream, held, budget, release) };
      } catch (error) {
        release();
        throw error;
      }
    },
  };
  return metered;
}

/** Its limit was reached before it said anything or asked for a tool. */
function isEmpty({ content, finishReason }: Generated | OlderGenerated): boolean {
  const reason = typeof finishReason === 'string' ? finishReason : finishReason.unified;
  const isSaying = ({ type, ...part }: (typeof content)[number]): boolean =>
    type === 'tool-call' || ('text' in part && type === 'text' && part.text.trim() !== '');
  return reason === 'length' && !content.some(isSaying);
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
function tokensOf(usage: Generated['usage'] | OlderGenerated['usage']): TokenUse | undefined {
  const { inputTokens, outputTokens } = usage;
  const [input, output] = [inputTokens, outputTokens].map((tokens) =>
    typeof tokens === 'object' ? tokens.total : tokens,
  );
  if (input === undefined || output === undefined) return undefined;
  const { cacheRead, cacheWrite } =
    typeof inputTokens === 'object' ? inputTokens : { cacheRead: cachedTokens(usage), cacheWrite: undefined };
  return { input, output, ...defined({ cacheRead, cacheWrite }) };
}

const cachedTokens = (usage: object): number | undefined =>
  'cachedInputTokens' in usage && typeof usage.cachedInputTokens === 'number' ? usage.cachedInputTokens : undefined;

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
