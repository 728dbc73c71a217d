import type { Command } from 'commander';
import { duration, tenantName } from '../../core/setting-values.ts';
import { mintToken } from '../access.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import { toolSettings } from '../settings.ts';

interface Options {
  readonly scope: string;
  readonly tenant: string;
  readonly sub: string;
  readonly ttl: string;
}

export function registerToken(program: Command, io: Io): void {
  program
    .command('token')
    .description('mint an HS256 token for the API (SALLYPORT_JWT_SECRET, or the development secret)')
    .requiredOption('--scope <scopes>', 'space-separated scopes, e.g. "events:read events:write"')
    .option('--tenant <tenant>', 'the tenant the caller acts for', 'default')
    .option('--sub <subject>', 'who the caller is', 'operator')
    .option('--ttl <duration>', 'how long it is good, e.g. 15m', '1h')
    .action(async (options: Options) => {
      const ttlMs = duration.safeParse(options.ttl);
      if (!ttlMs.success || ttlMs.data < 1000) {
        throw new Exit(EXIT.usage, '--ttl: must be a duration like 15m, 1h or 7d');
      }
      if (!tenantName.safeParse(options.tenant).success) throw new Exit(EXIT.usage, '--tenant: is not a tenant name');
      const { scope, tenant, sub: subject } = options;
      const token = await mintToken((await toolSettings(io)).api, { scope, tenant, subject, ttlMs: ttlMs.data });
      if (token === null)
        throw new Exit(EXIT.config, 'SALLYPORT_JWT_SECRET: is required (sallyport keygen prints one)');
      io.print(token);
    });
}
