import type { Command } from 'commander';
import { plugs } from '../../channels/registry.node.ts';
import { devKeys, ensureDevSecrets } from '../dev/secrets.ts';
import { startDevVendors } from '../dev/vendors.ts';
import type { Io } from '../io.ts';
import { loadSettings } from '../settings.ts';
import type { Roles } from './serve.ts';

export function registerDev(program: Command, io: Io, roles: () => Promise<Roles>): void {
  program
    .command('dev')
    .description('ingress and worker in one process on the embedded store; makes missing secrets once')
    .action(async () => {
      const secrets = await ensureDevSecrets(io);
      const vendors = await startDevVendors(io, plugs);
      const settings = { HOST: '127.0.0.1', SALLYPORT_OUTCOME_HEADERS: '1', SALLYPORT_BUDGET_USER_RUNS_HOUR: '60' };
      const defaults = { ...settings, ...secrets, ...vendors.settings };
      try {
        const given = await loadSettings(io, 'dev', defaults);
        await (await roles()).dev(given, io, devKeys(given.config, secrets));
      } finally {
        await vendors.close();
      }
    });
}
