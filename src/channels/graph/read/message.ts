import type { ReadContent } from '../../channel.ts';

/** A message as far as it decides what becomes of its event. */
export interface Message {
  /** As Graph names it now; absent where it was not asked for. */
  readonly id: string | undefined;
  /** Epoch ms; null where Graph did not say. */
  readonly createdAt: number | null;
  /** Why nobody should answer it; null when somebody should. A bounded word. */
  readonly irrelevance: string | null;
  readonly content: Pick<ReadContent, 'text' | 'author' | 'payload'>;
}

/** Graph writes up to seven digits of a second; `Date.parse` reads three of them, which is enough. */
export function timeOf(text: string | null | undefined): number | null {
  const at = Date.parse(text ?? '');
  return Number.isNaN(at) ? null : at;
}
