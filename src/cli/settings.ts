import { readConfigFile } from '../config/file.node.ts';
import { loadConfig, type Role } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { SallyportError } from '../core/errors.ts';
import { EXIT, Exit, type Io } from './io.ts';

/**
 * The configuration of file and environment. `defaults` stand behind the environment: what `dev` makes up.
 * @throws Exit 78 with every problem, one a line.
 */
export async function loadSettings(io: Io, role: Role, defaults: Io['environment'] = {}): Promise<Config> {
  const environment = { ...defaults, ...io.environment };
  const file = await readConfigFile(io.folder, environment.SALLYPORT_CONFIG).catch((error: unknown) => {
    throw new Exit(
      EXIT.config,
      error instanceof SallyportError ? error.message : 'the configuration file is unreadable',
    );
  });
  const loaded = loadConfig(file, environment, role);
  if (!loaded.ok) throw new Exit(EXIT.config, ['configuration is not valid:', ...loaded.problems].join('\n  '));
  return loaded.config;
}
