import type { Command } from 'commander';
import type { Check } from '../../channels/module.node.ts';
import type { Config } from '../../config/schema.ts';
import type { DevKeys } from '../dev/secrets.ts';
import type { Io } from '../io.ts';
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
export interface Roles {
  readonly ingress: StartRole;
  readonly worker: StartRole;
  readonly all: StartRole;
  /** Opens its store with one of the two. */
  readonly dev: (settings: Settings, io: Io, keys: DevKeys) => Promise<void>;
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

export function registerServe(program: Command, io: Io, roles: () => Promise<Roles>): void {
  for (const role of ['ingress', 'worker', 'all'] as const) {
    program
      .command(role)
      .description(`${descriptions[role]} (production role; settings from the environment or sallyport.config)`)
      .action(async () => {
        const settings = await loadSettings(io, role);
        await (await roles())[role](settings, io);
      });
  }
}
