import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  generateText,
  jsonSchema,
  LoadAPIKeyError,
  LoadSettingError,
  type ModelMessage,
  ToolChoiceViolationError,
  type ToolSet,
  tool,
  UnsupportedFunctionalityError,
} from 'ai';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import { linkSignals } from '../../../core/linked-signal.ts';
import { noTracer, type Tracer } from '../../../core/tracer.ts';
import type { WatchableFetch } from '../../../net/clients.ts';
import { LONGEST_WAIT_MS, retryAfterMs } from '../../../net/retry-after.ts';
import { type IsUnserved, meteredModel, type SdkModel } from '../../budget/metered-model.ts';
import type { ToolDescription } from '../../tools/toolbox.ts';
import { detailOfEndpoint } from './endpoint-error.ts';
import { createLimitNaming, type MaxTokensField } from './limit-field.ts';
import type { AskModel, Message, Question, Said } from './model.ts';

// The log is JSON, one object a line; the SDK would write its warnings in between.
globalThis.AI_SDK_LOG_WARNINGS ??= false;

export interface Endpoint {
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** The guarded client that may open this endpoint. */
  readonly fetch: WatchableFetch;
  /** What requests call the limit of an answer; absent: the model's name decides. */
  readonly maxTokensField?: MaxTokensField | undefined;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
}

/** The models of an OpenAI-compatible endpoint, through the AI SDK; every call is metered. */
export function openModels({
  baseUrl,
  apiKey,
  fetch,
  maxTokensField,
  tracer = noTracer,
}: Endpoint): (model: string) => AskModel {
  const naming = createLimitNaming(maxTokensField);
  const settings = {
    name: 'llm',
    baseURL: baseUrl,
    ...defined({ apiKey }),
    transformRequestBody: naming.nameLimit,
  };
  return (model) => (question) => {
    const watched = fetch.watch();
    const provider = createOpenAICompatible({ ...settings, fetch: naming.overFetch(watched.fetch) });
    return traced(model, question, tracer, () => ask(provider(model), question, { isUnserved: watched.isUnserved }));
  };
}

/** A model of the AI SDK that a configuration made, with a client of its own; every call is metered like any other. */
export function openSdkModel(
  model: SdkModel,
  { timeoutMs, tracer = noTracer }: { readonly timeoutMs: number; readonly tracer?: Tracer },
): AskModel {
  const { modelId, provider } = model;
  return (question) =>
    traced(modelId, question, tracer, async () => {
      const { signal: abortSignal, release } = linkSignals([question.signal], { ms: timeoutMs });
      return ask(model, question, { isUnserved: isUnservedBySdk, provider, abortSignal }).finally(release);
    });
}

/** A question as a part of the run's trace, with what it was charged, also for an answer that never came. */
function traced(model: string, { budget }: Question, tracer: Tracer, asking: () => Promise<Said>): Promise<Said> {
  return tracer.current().part('model', { model }, async (span) => {
    const { usage: before } = budget;
    try {
      return await asking();
    } finally {
      const { usage } = budget;
      span.note({
        inputTokens: usage.inputTokens - before.inputTokens,
        outputTokens: usage.outputTokens - before.outputTokens,
        costMicros: usage.usdMicros - before.usdMicros,
      });
    }
  });
}

interface Asking {
  readonly isUnserved: IsUnserved;
  /** Whose price the model has; absent: that of the endpoint. */
  readonly provider?: string;
  /** Of the question, with the time limit of the call where its client has none. */
  readonly abortSignal?: AbortSignal;
}

async function ask(model: SdkModel, question: Question, { isUnserved, provider, abortSignal }: Asking): Promise<Said> {
  const { system, messages, tools, mayCall, maxOutputTokens, budget, signal } = question;
  try {
    const { text, toolCalls } = await generateText({
      model: meteredModel(model, budget, isUnserved, provider),
      system,
      messages: messages.map(toModelMessage),
      ...(tools.length > 0 && { tools: toolSet(tools), toolChoice: mayCall ? 'auto' : 'none' }),
      maxOutputTokens,
      // A retry is another attempt: journalled, budgeted, and later.
      maxRetries: 0,
      abortSignal: abortSignal ?? signal,
      experimental_include: { requestBody: false, responseBody: false },
    });
    return { text, calls: toolCalls.map(({ toolName, input }) => ({ name: toolName, input })) };
  } catch (error) {
    signal.throwIfAborted();
    budget.signal.throwIfAborted();
    throw modelFailure(error);
  }
}

/** Codes of a connection that was never made, as Node and undici have them. */
const notConnected: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * Whether a call that a client of the AI SDK made certainly cost nothing, by the SDK's errors: nothing was sent, or a whole
 * answer other than 2xx came.
 */
function isUnservedBySdk(error: unknown): boolean {
  if (isSetUpWrong(error)) return true;
  if (!APICallError.isInstance(error)) return false;
  const { statusCode, responseBody } = error;
  if (statusCode !== undefined) return statusCode >= 300 && responseBody !== undefined;
  let at: unknown = error.cause;
  while (at instanceof Error) {
    if (notConnected.has(Reflect.get(at, 'code'))) return true;
    at = at.cause;
  }
  return false;
}

/** The SDK refused to send anything: a key or a setting is missing, or the model takes no such request. */
const isSetUpWrong = (error: unknown): boolean =>
  LoadAPIKeyError.isInstance(error) ||
  LoadSettingError.isInstance(error) ||
  UnsupportedFunctionalityError.isInstance(error);

/** Without `execute`: whether a call is made is decided by the toolbox, and not by the SDK. */
const toolSet = (tools: readonly ToolDescription[]): ToolSet =>
  Object.fromEntries(
    tools.map(({ name, description, inputSchema }) => [
      name,
      tool({ description, inputSchema: jsonSchema(inputSchema) }),
    ]),
  );

function toModelMessage(message: Message): ModelMessage {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: message.text };
    case 'assistant':
      return {
        role: 'assistant',
        content: [
          ...(message.text === '' ? [] : [{ type: 'text' as const, text: message.text }]),
          ...message.calls.map(({ id, name, input }) => ({
            type: 'tool-call' as const,
            toolCallId: id,
            toolName: name,
            input,
          })),
        ],
      };
    case 'tool':
      return {
        role: 'tool',
        content: message.results.map(({ id, name, text }) => ({
          type: 'tool-result',
          toolCallId: id,
          toolName: name,
          output: { type: 'text', value: text },
        })),
      };
  }
}

/** 4xx that say "later" and not "never": too early (RFC 8470), timeout, conflict, rate. */
const later: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/**
 * What a failed call of a model means. The SDK's error is not kept as cause: it holds the prompt and the answer.
 * @returns the error itself when it is one of ours that says enough
 */
function modelFailure(error: unknown): SallyportError {
  if (error instanceof SallyportError) {
    if (error.code === 'ERR_OUTBOUND_BLOCKED') {
      return new SallyportError('ERR_MODEL_REJECTED', 'the address of the model may not be called', { cause: error });
    }
    return error.code.startsWith('ERR_OUTBOUND_') ? unavailable('the model could not be reached', error) : error;
  }
  if (ToolChoiceViolationError.isInstance(error)) {
    return new SallyportError('ERR_STEPS_EXHAUSTED', 'the model called a tool when it had to come to an end');
  }
  if (isSetUpWrong(error)) {
    return new SallyportError(
      'ERR_MODEL_REJECTED',
      'the model has no API key, lacks a setting or takes no such request',
    );
  }
  if (!APICallError.isInstance(error)) return unavailable('the model gave no answer that can be read');
  const { statusCode: status, responseHeaders = {}, cause } = error;
  // The SDK wraps what `fetch` threw.
  if (cause instanceof SallyportError) return modelFailure(cause);
  if (status === undefined) return unavailable('the model could not be reached');
  const text = `the model's endpoint answered ${status}`;
  if (status >= 400 && status < 500 && !later.has(status)) {
    return new SallyportError('ERR_MODEL_REJECTED', text, detailOfEndpoint(error));
  }
  const waitMs = waitAskedFor(responseHeaders);
  return new SallyportError('ERR_MODEL_UNAVAILABLE', text, {
    ...detailOfEndpoint(error),
    ...defined({ retryAfterMs: waitMs }),
  });
}

const unavailable = (text: string, cause?: SallyportError): SallyportError =>
  new SallyportError('ERR_MODEL_UNAVAILABLE', text, defined({ cause }));

/** OpenAI has a header of its own that counts in ms, and sends both. */
function waitAskedFor(headers: Readonly<Record<string, string>>): number | undefined {
  const ms = Number.parseFloat(headers['retry-after-ms'] ?? '');
  return ms > 0 ? Math.min(ms, LONGEST_WAIT_MS) : retryAfterMs(headers['retry-after']);
}
