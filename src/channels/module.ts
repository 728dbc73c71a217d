import type * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import type { ChannelName, InboundEvent } from '../core/event.ts';
import type { Identifier } from '../core/identity.ts';
import type { KeepAlive } from '../core/keep-alive.ts';
import type { Remedies } from '../core/remedies.ts';
import type { VendorTiming } from '../core/reply-timing.ts';
import type { Channel } from './channel.ts';
import type { ReadMarkdown } from './shared/markdown/tree.ts';

/**
 * Makes the client for addresses that the configuration, or the channel itself, names; the process closes it. Limits of a
 * whole request in ms (default 10 s) and of a response's body in bytes (default 2 MiB).
 */
export type OpenFetch = (
  urls: readonly string[],
  limits?: { readonly timeoutMs?: number; readonly maxBytes?: number },
) => typeof globalThis.fetch;

/** What a channel of one tenant is given in every role. */
export interface ModuleDeps<Settings> {
  readonly tenant: string;
  /** The settings of this channel, by tenant, this one's included. */
  readonly tenants: ReadonlyMap<string, Settings>;
  /** How long a delivery is remembered, in ms. */
  readonly windowMs: number;
  /** `SALLYPORT_ID_KEY`. */
  readonly idKey: Uint8Array;
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  readonly openFetch: OpenFetch;
  readonly clock: Clock;
  /** For work that goes on after the answer that started it. Absent: the runtime lets it (Node). */
  readonly keepAlive?: KeepAlive;
}

export interface ReceiveDeps<Settings> extends ModuleDeps<Settings> {
  /** Bytes a body may have. */
  readonly bodyLimit: number;
  /** Absent: the channel's own default. */
  readonly outcomeHeaders: boolean | undefined;
  /** Reads replies that are given in the response. Undefined in a runtime that has no replies, such as the edge. */
  readonly readMarkdown: ReadMarkdown | undefined;
}

/** Finds the channel behind what follows `/hooks/{name}/{tenant}`, without empty parts; null for no such path. */
export type FindChannel = (rest: readonly string[]) => Channel | null;

/** A path below `/hooks/{name}/{tenant}` that an operator gives to a vendor. */
export interface HookPath {
  /** What it is called where it is shown, in at most 19 characters. */
  readonly label: string;
  readonly path: string;
}

/** An option of `sallyport manifest` that one channel has. */
export interface ManifestOption {
  /** As Commander reads it: `--app-id <id>`. */
  readonly flags: string;
  readonly description: string;
}

/** What commands can make to set a channel up. */
export interface OnboardingOffer {
  /** The vendor takes a manifest of the app. Absent: there is none. */
  readonly manifest?: {
    readonly description: string;
    readonly options: readonly ManifestOption[];
    /** It is no text, so a file has to be named for it. */
    readonly isBinary?: boolean;
    /** The vendor has a link that opens its form with the manifest filled in. */
    readonly hasLink?: boolean;
  };
  /** The vendor has commands that make what the channel needs. */
  readonly hasSetup?: boolean;
  /** Names of the agents that `init` can write for this channel and no other. */
  readonly agents?: readonly string[];
}

/**
 * A channel as the process plugs it in: the half that every runtime can run. The other half is `NodeHalf`. A channel is
 * complete with its folder and a line in `registry.ts` and in `registry.node.ts`.
 */
export interface ChannelModule<Settings = unknown> {
  /** Part of the path of its hooks, of metrics and of stored events, so it never changes. */
  readonly name: ChannelName;
  /** What a tenant sets of it, under its name. */
  readonly settings: z.ZodType<Settings>;
  /** How long its deliveries are remembered, in ms; set under its name as well. */
  readonly window: z.ZodType<number>;
  /** What a vendor takes to carry out a reply and to show it. Absent: the usual. */
  readonly timing?: VendorTiming;
  /** Its deliveries only point at what happened: whether that matters is known once it has been read. */
  readonly isHint?: boolean;
  /** One delivery may hold many items, so its body may be larger. */
  readonly isBatch?: boolean;
  readonly hooks: readonly HookPath[];
  /** By the vendor's own word for a failed reply or read. Absent: nothing is known of any. */
  readonly remedies?: Remedies;
  /** Names of the kinds of delivery that `sallyport send` makes. */
  readonly samples: readonly string[];
  /** What `sallyport send` can choose of them. Absent: nothing. */
  readonly sampleChoices?: readonly ('thread' | 'mention' | 'channel' | 'user' | 'command' | 'button')[];
  /**
   * Callers of the API deliver, and what their token says of them is the delivery's `proof` (`CallerProof`); no hook leads
   * to it. `message` is the body they send. Absent: a vendor delivers.
   */
  readonly callers?: { readonly message: z.ZodType };
  /**
   * What holds the event's conversation at the vendor, by its id there: it decides which shard of the edge takes the event.
   * The same for all events of a conversation, and for all that have the same identity key. Nothing stored depends on it.
   * Absent: the conversation itself.
   */
  containerOf?(event: Omit<InboundEvent, 'sealed'>): string;
  /** How it can be set up at the vendor (`NodeHalf.onboarding`). Absent: there is nothing to set up. */
  readonly onboarding?: OnboardingOffer;
  /** Something of the vendor's has to be kept alive (`OpenChannel.task`). */
  readonly isKept?: boolean;
  /** Why settings that are not parsed yet need `SALLYPORT_PUBLIC_URL`; null where they do not. Absent: they never do. */
  publicUrlFor?(settings: unknown): string | null;
  /** Fields of the settings that do nothing with the others as they are. Absent: there are none. */
  withoutEffect?(settings: Settings): readonly string[];
  /**
   * Which tenant's channel takes deliveries to the path without a tenant, where no tenant `default` has the channel: one
   * that gives each delivery to the tenant it is for. Null or absent: there is no such path.
   */
  sharedBy?(tenants: ReadonlyMap<string, Settings>): string | null;
  /** Once for each tenant that sets it. @throws SallyportError ERR_CONFIG_INVALID */
  receive(settings: Settings, deps: ReceiveDeps<Settings>): FindChannel;
}
