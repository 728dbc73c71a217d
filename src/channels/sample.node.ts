import type * as z from 'zod';
import type { SigningKey } from '../testing/keys/signing-key.ts';

/** Ways to send wrongly on purpose; a correct gate has one right answer to each. */
export const tamperModes = ['stale', 'future', 'wrong-key', 'altered', 'replay', 'duplicate', 'reorder'] as const;
export type Tamper = (typeof tamperModes)[number];

/** What can be wrong with a token. */
export type TokenSpoil = Extract<Tamper, 'stale' | 'future' | 'wrong-key' | 'altered'>;

/** What a delivery can be besides a message of its own; each channel knows some of it (`ChannelModule.sampleChoices`). */
export interface SampleChoices {
  /** The conversation it belongs to; absent: one of its own. */
  readonly thread?: string | undefined;
  /** In a channel, with a mention of the app. */
  readonly mention?: boolean | undefined;
  readonly channel?: string | undefined;
  readonly user?: string | undefined;
  /** A slash command of this name. */
  readonly command?: string | undefined;
  /** A pressed button with this `action_id`. */
  readonly button?: string | undefined;
}

export interface SendOptions extends SampleChoices {
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
  /** Where its sender asks for the reply (`CallerView`). Absent: operators ask for the event. */
  readonly resultPath?: (eventId: string) => string;
}

/** What `dev` keeps so that it can play a vendor: the key that signs in its place, and what a channel keeps with it. */
export interface DevIdentity<Kept> {
  readonly key: SigningKey;
  readonly kept: Kept;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What is known where `send` runs. */
export interface SampleContext<Kept> {
  readonly environment: Environment;
  /** Where `dev` keeps what it makes. */
  readonly dataFolder: string;
  /** A secret of the environment, or of the file that `NAME_FILE` names. @throws an error to be shown */
  secret(name: string): Promise<string | undefined>;
  /** This channel's settings of the tenant, or else of `default`, as they were parsed. @throws an error to be shown */
  settings(tenant: string): Promise<unknown>;
  /** A token of the API, good or spoiled. @throws an error to be shown */
  token(tenant: string, spoil?: TokenSpoil): Promise<string>;
  /** Null before the first start of `dev` here. @throws an error to be shown */
  dev(): Promise<DevIdentity<Kept> | null>;
}

/** Why there is nothing to send; the command ends with the exit code of its kind. */
export class SampleError extends Error {
  readonly kind: 'config' | 'usage' | 'failed';

  constructor(kind: SampleError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Where the keys of `dev` are served, as each vendor serves its own. */
export interface DevKeyUrls {
  readonly jwksUrl: string;
  readonly openidUrl: string;
}

/** Stands in for a vendor on a developer's machine. */
export interface StandIn<Kept> {
  /** What is kept with the key, each under a name of its own; made once. */
  readonly kept: z.ZodObject & z.ZodType<Kept>;
  fresh(): Kept;
  /** Settings by variable name, for what the environment does not configure itself. `close` when `dev` ends. */
  start(
    kept: Kept,
    urls: DevKeyUrls,
    where: Pick<SampleContext<Kept>, 'environment' | 'dataFolder'>,
  ): Promise<{ readonly settings: Environment; close?(): Promise<void> }>;
}

/** How a channel is tried without its vendor: loaded by `send` and `dev` alone. */
export interface Sample<Kept = unknown> {
  /** One for each of the module's `samples`, by name. */
  readonly senders: Readonly<Record<string, Sender<Kept>>>;
  /** Absent: `send` needs nothing but the settings. */
  readonly standIn?: StandIn<Kept>;
}

/** Makes deliveries of one kind. */
export interface Sender<Kept = unknown> {
  /** Path of the hook. */
  path(tenant: string): string;
  /** The statuses this channel's gate answers to what it takes and to what it refuses. */
  readonly statuses: { readonly taken: readonly number[]; readonly refused: readonly number[] };
  /**
   * The deliveries of one send, in the order they go out: one, or two for `replay`, `duplicate` and `reorder`.
   * @throws SampleError when the channel's secret is not known
   */
  deliveries(options: SendOptions, context: SampleContext<Kept>): Promise<readonly SignedDelivery[]>;
}
