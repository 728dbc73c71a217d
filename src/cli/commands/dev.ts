import type { Command } from 'commander';
import { plugs } from '../../channels/registry.node.ts';
import { configFilePath } from '../../config/file.node.ts';
import type { ChannelName } from '../../core/event.ts';
import { dataFolderOf } from '../configuration-file.ts';
import { devKeys, ensureDevSecrets } from '../dev/secrets.ts';
import { startDevVendors } from '../dev/vendors.ts';
import type { Io } from '../io.ts';
import { configOption, portOption, type RoleOptions, withRoleOptions } from '../role-options.ts';
import { givenSettings, loadSettings } from '../settings.ts';
import type { Roles } from './serve.ts';

export function registerDev(program: Command, outside: Io, roles: () => Promise<Roles>): void {
  program
    .command('dev')
    .description('ingress and worker in one process on the embedded store; makes missing secrets once')
    .addOption(portOption())
    .addOption(configOption())
    .action(async (options: RoleOptions) => {
      const io = withRoleOptions(outside, options, 'PORT');
      const secrets = await ensureDevSecrets(io);
      const vendors = await startDevVendors(io, plugs);
      const settings = { HOST: '127.0.0.1', SALLYPORT_OUTCOME_HEADERS: '1', SALLYPORT_BUDGET_USER_RUNS_HOUR: '60' };
      const defaults = { ...settings, ...secrets, ...vendors.settings };
      try {
        const given = await loadSettings(io, 'dev', defaults);
        await (await roles()).dev(given, io, {
          keys: devKeys(given.config, secrets),
          standIns: await madeUpChannels(io),
          dataFolder: await dataFolderOf(io),
          configFile: configFilePath(io.folder, io.environment.SALLYPORT_CONFIG),
        });
      } finally {
        await vendors.close();
      }
    });
}

/** Channels of which neither file nor environment sets anything for the tenant `default`. */
async function madeUpChannels(io: Io): Promise<ReadonlySet<ChannelName>> {
  const given = await Promise.all(
    plugs.modules.map(async ({ name }) => ({ name, ...(await givenSettings(io, 'default', name)) })),
  );
  return new Set(given.filter(({ settings }) => Object.keys(settings).length === 0).map(({ name }) => name));
}
