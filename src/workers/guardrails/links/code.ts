import type { Span } from './spans.ts';

/** Code as Markdown and Slack both see it: a block between fences, or a span of one backtick on one line. */
const CODE = /```[^`]*(?:`{1,2}[^`]+)*```|(?<![`\\])`[^`\n]+`(?!`)/g;

/** Where no client makes links of bare names. */
export const codeIn = (text: string): Span[] =>
  text.includes('`')
    ? [...text.matchAll(CODE)].map(({ 0: code, index }) => ({ start: index, end: index + code.length }))
    : [];
