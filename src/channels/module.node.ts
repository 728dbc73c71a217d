import type { ChannelName } from '../core/event.ts';
import type { Logger } from '../core/logger.ts';
import type { Lease } from '../queue/lease.ts';
import type { Records } from '../queue/records.ts';
import type { Scrub } from '../scrub/scrub.ts';
import type { Sealer } from '../scrub/seal.ts';
import type { KeeperTask, ReadContext, Reader, Replier } from './channel.ts';
import type { ChannelModule, ModuleDeps } from './module.ts';
import type { Onboarding } from './onboarding.node.ts';
import type { Sample } from './sample.node.ts';

/** What a worker gives a channel of one tenant. */
export interface OpenDeps<Settings> extends ModuleDeps<Settings> {
  readonly publicUrl: string | undefined;
  /** Time limit of the call that posts a reply, in ms. */
  readonly replyTimeoutMs: number;
  readonly records: Records;
  readonly acquire: Lease['acquire'];
  /** For what is found at the vendor outside any delivery. */
  readonly accept: ReadContext['accept'];
  readonly scrub: Scrub;
  readonly sealer: Sealer;
  readonly logger: Logger;
  /** `dev` made the settings up, and plays the vendor: what is missing of them is no reason for a warning. */
  readonly isStandIn?: boolean;
}

/** What a worker does for one channel of one tenant, over clients that all three share. */
export interface OpenChannel {
  /** Absent where a delivery holds all there is to know. */
  readonly reader?: Reader;
  /** Absent without credentials: the run keeps its reply. */
  readonly replier?: Replier;
  /** Absent where nothing has to be kept. */
  readonly task?: KeeperTask;
}

/** What `sallyport doctor` gives a channel of one tenant. */
export interface CheckDeps<Settings> extends ModuleDeps<Settings> {
  readonly publicUrl: string | undefined;
}

/** One line of `sallyport doctor`. */
export interface Check {
  readonly name: string;
  /**
   * What to say when all is well, or when it works and should not stay so; null when there is nothing to check.
   * @throws Error whose text says what is wrong and which setting to change; a SallyportError with the vendor's word for it
   *   is shown with its remedy
   */
  readonly run: () => Promise<string | { readonly warning: string } | null>;
}

/** The channels of a process: both halves, the second loaded by whoever opens or checks them. */
export interface Plugs {
  readonly modules: readonly ChannelModule[];
  readonly halves: Readonly<Record<ChannelName, () => Promise<NodeHalf>>>;
}

/** The half of a channel that needs Node and the vendor's library. An ingress never loads it. */
export interface NodeHalf<Settings = unknown> {
  /** Loads the vendor's library, so that the first run need not wait for it. Absent: there is none. */
  load?(): Promise<unknown>;
  /** Once for each tenant that sets the channel, in each worker process. @throws SallyportError ERR_CONFIG_INVALID */
  open(settings: Settings, deps: OpenDeps<Settings>): OpenChannel;
  /** Looks at credentials and hooks, for `sallyport doctor`. It opens no store. Absent: there is nothing to look at. */
  checks?(settings: Settings, deps: CheckDeps<Settings>): readonly Check[];
  /** Loads what plays the vendor for `send` and `dev`. */
  sample(): Promise<Sample>;
  /** Loads what describes the channel to a vendor and to `init`. Absent: there is nothing to set up. */
  onboarding?(): Promise<Onboarding>;
}
