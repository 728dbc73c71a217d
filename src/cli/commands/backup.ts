import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { readDevSecrets } from '../dev/secrets.ts';
import { columns, EXIT, Exit, type Io } from '../io.ts';
import { loadSettings } from '../settings.ts';
import type { CopyFacts, StoreCopies } from '../store-access.ts';
import type { Roles } from './serve.ts';

interface RestoreOptions {
  readonly check?: boolean;
  readonly sha256?: string;
  readonly json?: boolean;
}

export function registerBackup(program: Command, io: Io, roles: () => Promise<Roles>): void {
  const copies = async (): Promise<StoreCopies> => (await roles()).storeCopies();
  program
    .command('backup <file>')
    .description('copy the embedded store to a new file while the gate runs; keys are not in it (docs/operations.md)')
    .option('--json', 'print what the copy holds for programs')
    .action(async (file: string, { json }: { readonly json?: boolean }) => {
      const { store } = await embeddedSettings(io);
      const facts = await (await copies()).copy(resolve(io.folder, store.dataDir), resolve(io.folder, file));
      tell(io, facts, json);
    });
  program
    .command('restore <file>')
    .description('put a backup into SALLYPORT_DATA_DIR, which must not hold a store; the gate must be stopped')
    .option('--check', 'only check the backup')
    .option('--sha256 <digest>', 'digest that `backup` printed; another file is refused')
    .option('--json', 'print what the backup holds for programs')
    .action(async (file: string, { check, sha256, json }: RestoreOptions) => {
      if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
        throw new Exit(EXIT.usage, '--sha256: must be 64 hexadecimal digits in lower case');
      }
      const from = resolve(io.folder, file);
      if (check === true) return tell(io, await (await copies()).check(from, sha256), json);
      const config = await embeddedSettings(io);
      // The store of `dev` may have either key.
      const dev = (await readDevSecrets(io))?.SALLYPORT_ID_KEY;
      const idKeys = [config.keys.id, dev === undefined ? undefined : Buffer.from(dev, 'base64')].filter(
        (key) => key !== undefined,
      );
      const expected = { idKeys, ...(sha256 !== undefined && { sha256 }) };
      const dataDir = resolve(io.folder, config.store.dataDir);
      const facts = await (await copies()).restore(from, dataDir, expected);
      tell(io, facts, json);
      if (idKeys.length === 0) io.complain('SALLYPORT_ID_KEY: is not set, so it was not compared with the backup');
      io.complain(`set SALLYPORT_RESTORED_AT=${new Date().toISOString()} before you start workers`);
    });
}

/** @throws Exit 78 where the store is Redis */
async function embeddedSettings(io: Io): Promise<Config> {
  const { config } = await loadSettings(io, 'tool', (await readDevSecrets(io)) ?? {});
  if (config.store.redisUrl === undefined) return config;
  const remedy = 'unset it, or copy Redis as docs/operations.md says';
  throw new Exit(EXIT.config, `SALLYPORT_REDIS_URL: is set, and only the embedded store is copied here; ${remedy}`);
}

function tell(io: Io, facts: CopyFacts, json: boolean | undefined): void {
  const { bytes, sha256, version, madeAt, events, auditEntries } = facts;
  if (json === true) {
    io.print(JSON.stringify({ ...facts, madeAt: new Date(madeAt).toISOString() }, null, 2));
    return;
  }
  const states = Object.entries(events).map(([state, count]) => `${state}=${count}`);
  io.print(columns([`copied ${new Date(madeAt).toISOString()}`, `format=${version}`, `bytes=${bytes}`]));
  io.print(columns(['events', ...(states.length === 0 ? ['none'] : states)]));
  io.print(columns([`audit entries=${auditEntries}`]));
  io.print(columns([`sha256 ${sha256}`]));
}
