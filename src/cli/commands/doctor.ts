import type { Command } from 'commander';
import type { Check } from '../../channels/module.node.ts';
import { unknownSettings } from '../../config/environment.ts';
import type { Config } from '../../config/schema.ts';
import { readDevSecrets } from '../dev/secrets.ts';
import { EXIT, Exit, type Io, inLine } from '../io.ts';
import { loadSettings } from '../settings.ts';

export type Examine = (config: Config) => Promise<readonly Check[]> | readonly Check[];

export function registerDoctor(program: Command, io: Io, examine: () => Promise<Examine>): void {
  program
    .command('doctor')
    .description('check configuration, store, clock, credentials and public URL; exit 1 on any failure')
    .action(async () => {
      const { config, withoutEffect } = await loadSettings(io, 'all', (await readDevSecrets(io)) ?? {});
      io.print('ok    configuration');
      for (const name of unknownSettings(io.environment))
        io.print(inLine(`WARN  ${name}: is not a setting, and ignored`));
      for (const name of withoutEffect) io.print(inLine(`WARN  ${name}: has no effect with the other settings`));
      let failures = 0;
      for (const { name, run } of await (await examine())(config)) {
        try {
          const said = await run();
          if (said === null) io.print(inLine(`-     ${name}: not configured`));
          else if (typeof said === 'string') io.print(inLine(`ok    ${name}: ${said}`));
          else io.print(inLine(`WARN  ${name}: ${said.warning}`));
        } catch (error) {
          failures += 1;
          io.print(inLine(`FAIL  ${name}: ${error instanceof Error ? error.message : 'unknown failure'}`));
        }
      }
      if (failures > 0) throw new Exit(EXIT.failed, `${failures} of the checks failed`);
    });
}
