import { allVariables } from '../config/environment.ts';
import { loadConfig, type Role } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { readSecretFiles } from '../config/secret-files.node.ts';
import { isGiven, isRecord, settingAt } from '../config/variables.ts';
import type { ChannelName } from '../core/event.ts';
import { configurationFile } from './configuration-file.ts';
import { readDevSecrets } from './dev/secrets.ts';
import { EXIT, Exit, type Io } from './io.ts';

export interface Settings {
  readonly config: Config;
  /** Names of settings that are given and do nothing with the rest of the configuration. */
  readonly withoutEffect: readonly string[];
}

/**
 * The configuration of file and environment. `defaults` stand behind both: what `dev` makes up.
 * @throws Exit 78 with every problem, one a line.
 */
export async function loadSettings(io: Io, role: Role, defaults: Io['environment'] = {}): Promise<Settings> {
  const file = await configurationFile(io);
  const secrets = await readSecretFiles(io.folder, io.environment);
  const loaded = loadConfig(file, secrets.environment, role, defaults);
  if (loaded.ok && secrets.problems.length === 0) return loaded;
  // A secret whose file was not read is not also called missing.
  const isTold = (problem: string): boolean => secrets.problems.some(({ name }) => problem.startsWith(`${name}: `));
  const others = loaded.ok ? [] : loaded.problems.filter((problem) => !isTold(problem));
  const problems = [...secrets.problems.map(({ message }) => message), ...others];
  throw new Exit(EXIT.config, ['configuration is not valid:', ...problems].join('\n  '));
}

/**
 * What file and environment say of one channel, for commands that help before the configuration is complete: no value has
 * been checked, and no secret file is read.
 * @throws Exit 78 when the configuration file cannot be read
 */
export async function givenSettings(
  io: Io,
  tenant: string,
  channel: ChannelName,
): Promise<{ readonly settings: Readonly<Record<string, unknown>>; readonly publicUrl: string | undefined }> {
  const file = await configurationFile(io);
  const { environment } = io;
  const inFile = settingAt(file, ['tenants', tenant, channel]);
  const named = Object.entries(allVariables.paths).filter(
    ([name, path]) =>
      isGiven(name, environment, allVariables) && path.slice(0, -1).join('.') === `tenants.${tenant}.${channel}`,
  );
  const fromEnvironment = Object.fromEntries(named.map(([name, path]) => [path.at(-1), environment[name]]));
  const publicUrl = environment.SALLYPORT_PUBLIC_URL || settingAt(file, ['server', 'publicUrl']);
  return {
    settings: { ...(isRecord(inFile) ? inFile : {}), ...fromEnvironment },
    publicUrl: typeof publicUrl === 'string' ? publicUrl : undefined,
  };
}

/**
 * A secret of the environment, or of the file that `NAME_FILE` names, for commands that need no other setting.
 * @throws Exit 78 when the file is not read
 */
export async function secretOf({ folder, environment }: Io, name: string): Promise<string | undefined> {
  const secrets = await readSecretFiles(folder, environment, [name]);
  const [problem] = secrets.problems;
  if (problem !== undefined) throw new Exit(EXIT.config, problem.message);
  return secrets.environment[name] || undefined;
}

const known = new WeakMap<Io, Promise<Config>>();

async function readToolSettings(io: Io): Promise<Config> {
  return (await loadSettings(io, 'tool', (await readDevSecrets(io)) ?? {})).config;
}

/**
 * What a command that talks to a gate may know of it: environment, file, and the secrets that `dev` made here. Read once.
 * @throws Exit 78 with every problem, one a line.
 */
export function toolSettings(io: Io): Promise<Config> {
  const settings = known.get(io) ?? readToolSettings(io);
  known.set(io, settings);
  return settings;
}
