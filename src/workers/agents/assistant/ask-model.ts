import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, type LanguageModel, type ModelMessage, type ToolSet, tool } from 'ai';
import { SallyportError } from '../../../core/errors.ts';
import type { WatchableFetch } from '../../../net/as-fetch.ts';
import { type IsUnserved, meteredModel } from '../../budget/metered-model.ts';
import type { ToolDescription } from '../../tools/toolbox.ts';
import { type MaxTokensField, nameLimit } from './max-tokens.ts';
import type { AskModel, Message, Question, Said } from './model.ts';
import { modelFailure } from './model-failure.ts';

export interface Endpoint {
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  /** The guarded client that may open this endpoint. */
  readonly fetch: WatchableFetch;
  /** What requests call the limit of an answer; absent: the model's name decides. */
  readonly maxTokensField?: MaxTokensField | undefined;
}

/** The models of an OpenAI-compatible endpoint, through the AI SDK; every call is metered. */
export function openModels({ baseUrl, apiKey, fetch, maxTokensField }: Endpoint): (model: string) => AskModel {
  const settings = {
    name: 'llm',
    baseURL: baseUrl,
    ...(apiKey === undefined ? {} : { apiKey }),
    transformRequestBody: (body: Record<string, unknown>) => nameLimit(body, maxTokensField),
  };
  return (model) => (question) => {
    const watched = fetch.watch();
    const provider = createOpenAICompatible({ ...settings, fetch: watched.fetch });
    return ask(provider(model), question, watched.isUnserved);
  };
}

async function ask(model: Exclude<LanguageModel, string>, question: Question, isUnserved: IsUnserved): Promise<Said> {
  const { system, messages, tools, mayCall, maxOutputTokens, budget, signal } = question;
  if (model.specificationVersion !== 'v3') throw new SallyportError('ERR_INTERNAL', 'a model of another version');
  try {
    const { text, toolCalls } = await generateText({
      model: meteredModel(model, budget, isUnserved),
      system,
      messages: messages.map(toModelMessage),
      ...(tools.length === 0 ? {} : { tools: toolSet(tools), toolChoice: mayCall ? 'auto' : 'none' }),
      maxOutputTokens,
      // A retry is another attempt: journalled, budgeted, and later.
      maxRetries: 0,
      abortSignal: signal,
      experimental_include: { requestBody: false, responseBody: false },
    });
    return { text, calls: toolCalls.map(({ toolName, input }) => ({ name: toolName, input })) };
  } catch (error) {
    signal.throwIfAborted();
    budget.signal.throwIfAborted();
    throw modelFailure(error);
  }
}

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
