import type { Command } from 'commander';
import type { Check } from '../../channels/module.node.ts';
import type { Config } from '../../config/schema.ts';
import type { ChannelName } from '../../core/event.ts';
import type { DevKeys } from '../dev/secrets.ts';
import type { Io } from '../io.ts';
import { configOption, portOption, type RoleOptions, withRoleOptions } from '../role-options.ts';
import { loadSettings, type Settings } from '../settings.ts';
import type { StoreCopies, StoreCounts } from '../store-access.ts';

/** Starts a role and resolves when it has stopped in order. */
export type StartRole = (settings: Settings, io: Io) => Promise<void>;
/** The doctor's checks of a configuration. */
export type Examine = (
  config: Config,
  /** `withStore` false: without what opens the store, which makes or lifts its file. */
  options?: { readonly withStore?: boolean },
) => Promise<readonly Check[]> | readonly Check[];
/** What `dev` starts with besides its settings. */
export interface DevStart {
  /** It opens its store with one of the two. */
  readonly keys: DevKeys;
  /** Channels whose settings were made up. */
  readonly standIns: ReadonlySet<ChannelName>;
  /** Where it keeps what it makes. */
  readonly dataFolder: string;
  /** Undefined where there is none. */
  readonly configFile: string | undefined;
}
export interface Roles {
  readonly ingress: StartRole;
  readonly worker: StartRole;
  readonly all: StartRole;
  readonly dev: (settings: Settings, io: Io, start: DevStart) => Promise<void>;
  /** Loads the doctor's checks. */
  readonly examine: () => Promise<Examine>;
  /** Loads what copies the embedded store. */
  readonly storeCopies: () => Promise<StoreCopies>;
  /** Loads what counts the events of the store. */
  readonly storeCounts: () => Promise<(config: Config) => Promise<StoreCounts | null>>;
}

const descriptions = {
  ingress: 'verify, scrub and accept deliveries',
  worker: 'run accepted events',
  all: 'ingress and worker in one process',
} as const;

export function registerServe(program: Command, outside: Io, roles: () => Promise<Roles>): void {
  for (const role of ['ingress', 'worker', 'all'] as const) {
    program
      .command(role)
      .description(`${descriptions[role]} (production role; settings from the environment or sallyport.config)`)
      .addOption(portOption())
      .addOption(configOption())
      .action(async (options: RoleOptions) => {
        const io = withRoleOptions(outside, options, role === 'worker' ? 'SALLYPORT_WORKER_PORT' : 'PORT');
        const settings = await loadSettings(io, role);
        await (await roles())[role](settings, io);
      });
  }
}
