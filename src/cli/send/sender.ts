import type { Io } from '../io.ts';

/** Ways to send wrongly on purpose; a correct gate has one right answer to each. */
export const tamperModes = ['stale', 'future', 'wrong-key', 'altered', 'replay', 'duplicate', 'reorder'] as const;
export type Tamper = (typeof tamperModes)[number];

export interface SendOptions {
  readonly text: string;
  /** Parsed JSON of `--file`; replaces the payload that would be made from `text`. */
  readonly payload: unknown;
  readonly tenant: string;
  /** Which one of `--times` this is, from 0. */
  readonly index: number;
  readonly tamper: Tamper | undefined;
}

/** A request ready to go, and what a correct gate makes of it. */
export interface SignedDelivery {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly expect: 'accepted' | 'duplicate' | 'refused';
  /** Where the reply is to be found, when the delivery is only a hint and its own event is never replied to. */
  readonly conversation?: string;
}

/** Makes one channel's deliveries; registered in `senders.ts`. */
export interface Sender {
  readonly name: string;
  /** Path of the hook. */
  path(tenant: string): string;
  /** The statuses this channel's gate answers to what it takes and to what it refuses. */
  readonly statuses: { readonly taken: readonly number[]; readonly refused: readonly number[] };
  /**
   * The deliveries of one send, in the order they go out: one, or two for `replay`, `duplicate` and `reorder`.
   * @throws Exit 78 when the channel's secret is not known
   */
  deliveries(options: SendOptions, io: Io): Promise<readonly SignedDelivery[]>;
}
