import type { LanguageModelMiddleware } from 'ai';
import { SallyportError } from '../../core/errors.ts';
import type { ModelCall } from './budget.ts';

export type CallOptions = Parameters<NonNullable<LanguageModelMiddleware['wrapGenerate']>>[0]['params'];
type Message = CallOptions['prompt'][number];
type Part = Exclude<Message['content'], string>[number];

/** OpenAI's dearest picture: gpt-4o-mini counts 2,833 tokens and 5,667 for each of up to 8 tiles (platform docs, "Vision"). */
const PICTURE_TOKENS = 50_000;

/**
 * All that a call sends, as text and as a bound for the rest.
 * @throws SallyportError ERR_PRICE_UNKNOWN for what has no bound: a file the vendor fetches itself, a document whose
 * pages it draws, a tool the vendor runs
 */
export function describeInput({
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
