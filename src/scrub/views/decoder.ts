import type { View } from './view.ts';

/** One of the notations in which text travels. */
export interface Decoder {
  /** Characters one of which every text in this notation has; they are noticed in passing. */
  readonly mark: string;
  /** A cheap second look. */
  occurs(text: string): boolean;
  /** Null when nothing was decoded. */
  decode(text: string): View | null;
}
