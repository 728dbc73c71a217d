import { constants, existsSync } from 'node:fs';
import { open, readFile, stat, unlink } from 'node:fs/promises';
import { arch, platform, release } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { allVariables, unknownSettings } from '../../config/environment.ts';
import { readConfigFile } from '../../config/file.node.ts';
import type { Config } from '../../config/schema.ts';
import { readSecretFiles } from '../../config/secret-files.node.ts';
import { isGiven, isRecord, settingAt } from '../../config/variables.ts';
import { askGate } from '../access.ts';
import { readDevSecrets } from '../dev/secrets.ts';
import { findGate, type GateOptions, withUrl } from '../gate.ts';
import { columns, EXIT, Exit, type Io, inLine } from '../io.ts';
import { loadSettings, secretOf } from '../settings.ts';
import type { StoreCounts } from '../store-access.ts';
import { harmlessSettings } from '../support/harmless.ts';
import { createRedactor, type Redactor } from '../support/redact.ts';
import type { Roles } from './serve.ts';

type GateUrl = Omit<GateOptions, 'tenant'>;

interface Options extends GateUrl {
  readonly logs?: readonly string[];
  readonly lines: string;
}

/** Most lines of each log, and bytes of a log that is read. */
const MAX_LINES = 10_000;
const MAX_LOG_BYTES = 64 * 1024 * 1024;

export function registerSupportBundle(program: Command, io: Io, roles: () => Promise<Roles>): void {
  withUrl(program.command('support-bundle <file>'))
    .description(
      'write what a bug report needs to a new JSON file: no secrets, no messages, no names (docs/operations.md)',
    )
    .option(
      '--logs <file>',
      'a log of the gate (JSON lines), of which the last lines are scrubbed and added; may be repeated',
      (log: string, others: readonly string[] = []) => [...others, log],
    )
    .option('--lines <n>', `last lines of each log, 1 to ${MAX_LINES}`, '1000')
    .action(async (file: string, options: Options) => {
      const lines = Number(options.lines);
      if (!(Number.isInteger(lines) && lines >= 1 && lines <= MAX_LINES)) {
        throw new Exit(EXIT.usage, `--lines: must be a whole number from 1 to ${MAX_LINES}`);
      }
      const path = resolve(io.folder, file);
      if (existsSync(path)) throw cannotWrite(path, 'EEXIST');
      const bundle = await collect(program.version() ?? '', { ...options, lines }, io, roles);
      for (const [name, part] of Object.entries(bundle)) io.print(columns([name, sizeOf(part)]));
      await write(path, `${JSON.stringify(bundle, null, 2)}\n`);
      io.complain(inLine(`${file}: read it before you send it`));
    });
}

const sizeOf = (part: unknown): string =>
  Array.isArray(part)
    ? `${part.length} entries`
    : isRecord(part)
      ? `${Object.keys(part).length} entries`
      : String(part);

/** @throws Exit 1 when the file exists or cannot be written */
async function write(path: string, text: string): Promise<void> {
  const failed = ({ code = '' }: NodeJS.ErrnoException): never => {
    throw cannotWrite(path, code);
  };
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600).catch(failed);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await unlink(path).catch(() => {});
    failed(error as NodeJS.ErrnoException);
  } finally {
    await file.close();
  }
}

function cannotWrite(path: string, code: string): Exit {
  const why = code === 'EEXIST' ? 'exists already; choose another name' : `cannot be written (${code})`;
  return new Exit(EXIT.failed, inLine(`${path}: ${why}`));
}

async function collect(
  version: string,
  { logs = [], lines, ...gate }: GateUrl & { readonly logs?: readonly string[]; readonly lines: number },
  io: Io,
  roles: () => Promise<Roles>,
): Promise<Readonly<Record<string, unknown>>> {
  // A configuration file that cannot be read is part of what the bundle reports.
  const SALLYPORT_DATA_DIR = io.environment.SALLYPORT_DATA_DIR || '.sallyport';
  const usual = { folder: io.folder, environment: { ...io.environment, SALLYPORT_DATA_DIR } };
  const dev = (await readDevSecrets(io).catch(() => readDevSecrets(usual))) ?? {};
  const file = await readConfigFile(io.folder, io.environment.SALLYPORT_CONFIG).catch(() => undefined);
  const { environment: secrets } = await readSecretFiles(io.folder, io.environment);
  const redactor = createRedactor([io.environment, secrets, dev, file].flatMap((one) => textsOf(one, '')));
  const loaded = await loadSettings(io, 'tool', dev).catch((error: unknown) => (error as Error).message);
  const logEntries = await Promise.all(logs.map((log) => logOf(log, lines, io, redactor)));
  const common = {
    bundle: 1,
    madeAt: new Date().toISOString(),
    versions: { sallyport: version, node: process.version, platform: platform(), release: release(), arch: arch() },
  };
  const ending = { logs: logEntries };
  if (typeof loaded === 'string') {
    return {
      ...common,
      problems: problemsOf(loaded).map(redactor.text),
      ...(await gateOf(io, gate, redactor)),
      ...ending,
    };
  }
  const { config, withoutEffect } = loaded;
  const counts = await countsOf(config, roles);
  return {
    ...common,
    store: config.store.redisUrl === undefined ? 'embedded' : 'redis',
    settings: settingsOf(config, file, io),
    tenants: tenantsOf(config, redactor),
    withoutEffect: withoutEffect.filter((name) => Object.hasOwn(allVariables.paths, name)),
    unknownSettings: unknownSettings(io.environment).length,
    doctor: await doctorOf(config, counts !== null, roles, redactor),
    events: counts ?? 'no store of this release in SALLYPORT_DATA_DIR',
    ...(await gateOf(io, gate, redactor)),
    ...ending,
  };
}

/** What follows is the kind of the error, and its message. */
const UNLOADED = ': cannot be loaded';

/** A line of a configuration's source, without its indentation: `> 4 |   server: {` */
const EXCERPT = /^(?:> ?)?(?:\d{1,9} )?\|/;

/** Without the source that they quote, and without what the language said of it: either names what is in the file. */
const problemsOf = (message: string): string[] =>
  message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== 'configuration is not valid:' && !EXCERPT.test(line))
    .map((line) => {
      const [place = '', reason] = line.split(UNLOADED, 2);
      return reason === undefined ? line : `${place}${UNLOADED}${/^ \([A-Za-z]{1,40}\)/.exec(reason)?.[0] ?? ''}`;
    });

/** Null: there is none that may be opened without changing anything. */
async function countsOf(config: Config, roles: () => Promise<Roles>): Promise<StoreCounts | string | null> {
  try {
    return await (await (await roles()).storeCounts())(config);
  } catch {
    // The doctor says why.
    return 'the store does not answer';
  }
}

/** Texts of settings that a bundle must not show. A configuration in TypeScript may hold objects that contain themselves. */
function textsOf(value: unknown, path: string, seen = new WeakSet<object>()): string[] {
  if (typeof value === 'string') return harmlessSettings.has(placeOf(path)) ? [] : [value];
  if (typeof value !== 'object' || value === null || seen.has(value)) return [];
  seen.add(value);
  return Object.entries(value).flatMap(([name, child]) => [
    // Names within a file may be those of tenants.
    ...(path.endsWith('tenants') ? [name] : []),
    ...textsOf(child, path === '' ? name : `${path}.${name}`, seen),
  ]);
}

const placeOf = (path: string): string => allVariables.paths[path]?.join('.') ?? path;

/** Every setting that has a variable: whether it is given and, of those that are listed as harmless, its value. */
function settingsOf(config: Config, file: unknown, { environment }: Io): object {
  return Object.fromEntries(
    Object.entries(allVariables.paths).map(([name, path]) => {
      const isInEnvironment = [name, `${name}_FILE`].some((one) => isGiven(one, environment, allVariables));
      const given = isInEnvironment ? 'environment' : settingAt(file, path) === undefined ? 'no' : 'file';
      const value = harmlessSettings.has(path.join('.')) ? settingAt(config, path) : undefined;
      const isPlain = ['number', 'boolean'].includes(typeof value) || /^[a-z0-9-]{1,16}$/.test(String(value));
      return [name, { given, ...(value !== undefined && isPlain && { value }) }];
    }),
  );
}

/** Which channels each tenant has. */
const tenantsOf = ({ tenants }: Config, { digest }: Redactor): object =>
  Object.fromEntries(
    Object.entries(tenants).map(([name, tenant]) => [
      digest(name),
      Object.entries(tenant).flatMap(([part, value]) => (value === undefined ? [] : [part])),
    ]),
  );

async function doctorOf(
  config: Config,
  withStore: boolean,
  roles: () => Promise<Roles>,
  { text }: Redactor,
): Promise<object[]> {
  const checks = await (await (await roles()).examine())(config, { withStore });
  const found: object[] = [];
  for (const { name, run } of checks) {
    const said = await run().catch((error: unknown) => ({ failure: error instanceof Error ? error.message : '' }));
    const [outcome, words] =
      said === null
        ? ['not configured', '']
        : typeof said === 'string'
          ? ['ok', said]
          : 'failure' in said
            ? ['failed', said.failure]
            : ['warning', said.warning];
    found.push({ check: text(name), outcome, text: text(words) });
  }
  return found;
}

/** What the running gate answers. */
async function gateOf(io: Io, options: GateUrl, redactor: Redactor): Promise<object> {
  const gate = await findGate(io, options).catch((error: unknown) => {
    if (options.url !== undefined) throw error;
    return null;
  });
  if (gate === null) return { gate: 'does not answer' };
  const token = await secretOf(io, 'SALLYPORT_METRICS_TOKEN').catch(() => undefined);
  const [health, ready, metrics] = await Promise.all([
    askGate(gate, '/health'),
    askGate(gate, '/ready'),
    token === undefined ? null : askGate(gate, '/metrics', token),
  ]);
  if (health === null) return { gate: 'does not answer' };
  return {
    gate: { health: health.status, ready: ready?.status ?? null, metrics: metrics?.status ?? null },
    ready: readyOf(ready?.body ?? '', redactor),
    metrics: metrics?.status === 200 ? redactor.metrics(metrics.body) : [],
  };
}

/** Names of the gate's checks in `/ready`; others are an operator's. */
const ownChecks = /^(?:store|worker|subscriptions|model|tls|check-\d{1,2})$/;

function readyOf(body: string, { logLine, digest }: Redactor): object {
  const checks = settingAt(parsed(body), ['checks']);
  if (!isRecord(checks)) return {};
  return Object.fromEntries(
    Object.entries(checks).map(([name, check]) => [
      ownChecks.test(name) ? name : digest(name),
      logLine(JSON.stringify(check)),
    ]),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @throws Exit 1 for a log that cannot be read or is too large */
async function logOf(log: string, lines: number, io: Io, { logLine }: Redactor): Promise<object> {
  const path = resolve(io.folder, log);
  const failed = (error: NodeJS.ErrnoException): never => {
    throw new Exit(EXIT.failed, inLine(`${log}: cannot be read (${error.code})`));
  };
  const found = await stat(path).catch(failed);
  if (!found.isFile()) throw new Exit(EXIT.failed, inLine(`${log}: is not a file`));
  if (found.size > MAX_LOG_BYTES) throw new Exit(EXIT.failed, inLine(`${log}: is larger than 64 MiB; give its end`));
  const all = (await readFile(path).catch(failed))
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
  return { lines: all.length, last: all.slice(-lines).map(logLine) };
}
