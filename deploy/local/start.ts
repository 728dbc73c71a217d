// `npm run deploy:local`: the processes of deploy/compose without Docker, by the same commands, environment, files and health
// checks, behind the same TLS proxy.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import tools from '../../scripts/test-tools.json' with { type: 'json' };
import { readCompose } from './compose.ts';
import { freePorts } from './ports.ts';
import { listeners, processesOf } from './processes.ts';
import { supervise } from './supervise.ts';

const USAGE = `usage: npm run deploy:local -- [--tls] [--port N] [--folder FOLDER]

Starts Redis, ingress, worker and a TLS proxy on this machine, as deploy/compose says, until SIGINT or SIGTERM.
Prometheus and Grafana are not started.

  --tls            TLS between the parts too (compose.tls.yaml)
  --port N         port of the proxy (default: 8443); 0: a free one
  --folder FOLDER  keys, data, logs, and .env with your settings (default: deploy/local/state)
  --help           show this text
`;

/** Wrong options: EX_USAGE of sysexits.h. */
const EX_USAGE = 64;

const root = join(import.meta.dirname, '..', '..');
const compose = join(root, 'deploy', 'compose');

/** What is started here. Prometheus and Grafana have no part in a delivery. */
const SERVICES = ['redis', 'ingress', 'worker', 'proxy'];

/** What a person has to put right. */
class Refusal extends Error {}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Options {
  readonly isTls: boolean;
  readonly port: number;
  readonly folder: string;
}

function readOptions(): Options | null {
  const strings = { port: { type: 'string', default: '8443' }, folder: { type: 'string' } } as const;
  const flags = { tls: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } as const;
  const { values } = parseArgs({ options: { ...strings, ...flags } });
  if (values.help) return null;
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) throw new Error('--port: must be 0 to 65535');
  const folder = resolve(values.folder ?? join(import.meta.dirname, 'state'));
  return { isTls: values.tls, port: Number(values.port), folder };
}

/** @throws Refusal that names what is missing and how to get it */
function refuseMissing(): void {
  const needed = ['redis-server', 'redis-cli', 'openssl', 'caddy'] as const;
  const missing = needed.filter((name) => {
    const { probe, prints = '' }: { readonly probe: readonly string[]; readonly prints?: string } = tools[name];
    const { status, stdout } = spawnSync(name, probe, { encoding: 'utf8' });
    return status !== 0 || !new RegExp(prints).test(stdout);
  });
  if (missing.length > 0) {
    const packages = (system: 'debian' | 'brew') => [...new Set(missing.map((name) => tools[name][system]))].join(' ');
    throw new Refusal(
      `missing ${missing.join(', ')}: run \`npm run setup\`, or \`apt-get install ${packages('debian')}\`, or \`brew install ${packages('brew')}\``,
    );
  }
  if (!existsSync(join(root, 'dist', 'cli.js'))) throw new Refusal('dist/ is missing: run `npm run build`');
}

/** Two at once would use the same Redis files. @throws Refusal if another one uses the folder */
function takeFolder(folder: string): () => void {
  const path = join(folder, 'deploy-local.pid');
  const other = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  if (other > 0 && isAlive(other)) throw new Refusal(`${folder}: is in use by process ${other}`);
  writeFileSync(path, String(process.pid));
  return () => rmSync(path, { force: true });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function makeKeys(folder: string): void {
  const init = [join(import.meta.dirname, 'init.js'), '--state', folder, '--env', join(folder, '.env')];
  const { status } = spawnSync(process.execPath, init, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Refusal('deploy/local/init.js failed');
}

async function run({ isTls, port, folder }: Options): Promise<void> {
  const stopping = new AbortController();
  // The first signal stops; further ones change nothing, because each process has its own time limit.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => stopping.abort());
  refuseMissing();
  makeKeys(folder);
  const giveBack = takeFolder(folder);
  const copies = join(folder, 'run');
  try {
    const variables = parseEnv(readFileSync(join(folder, '.env'), 'utf8')) as Record<string, string>;
    const files = ['compose.yaml', ...(isTls ? ['compose.tls.yaml'] : [])].map((name) => join(compose, name));
    // Nothing is published here: the port of the redirect is the one that the proxy listens on.
    const file = readCompose(files, { ...variables, DEPLOY_STATE: folder, DEPLOY_HTTPS_PORT: '8443' });
    const services = Object.fromEntries(
      Object.entries(file.services).map(([name, service]) => [
        name,
        { ...service, env_file: service.env_file.map((path) => join(folder, path)) },
      ]),
    );
    const names = listeners(file);
    const free = await freePorts(names.length);
    const ports = Object.fromEntries(names.map((name, index) => [name, free[index] ?? 0]));
    if (port !== 0) ports['proxy:8443'] = port;
    rmSync(copies, { recursive: true, force: true });
    const logs = join(folder, 'logs');
    await mkdir(logs, { recursive: true, mode: 0o700 });
    const plans = processesOf({ ...file, services }, SERVICES, { root, folder: copies, ports });
    const supervised = await supervise(plans, logs, say, stopping.signal);
    const site = plans.find(({ name }) => name === 'proxy')?.environment.SITE ?? 'localhost';
    if (!stopping.signal.aborted) {
      say(`ingress: http${isTls ? 's' : ''}://127.0.0.1:${ports['ingress:8787']}`);
      say(`worker: http${isTls ? 's' : ''}://127.0.0.1:${ports['worker:8787']}`);
      say(`redirect: http://${site}:${ports['proxy:8080']}`);
      say(`authority: ${join(folder, 'tls', 'ca.crt')}`);
      say(`logs: ${logs}`);
      say(`proxy: https://${site}:${ports['proxy:8443']}`);
      say('ready; stop it with Ctrl-C or SIGTERM');
    }
    const asked = new Promise<void>((done) => {
      if (stopping.signal.aborted) done();
      stopping.signal.addEventListener('abort', () => done(), { once: true });
    });
    try {
      await Promise.race([asked, supervised.failed]);
    } finally {
      say('stopping');
      await supervised.stop();
    }
    say('stopped');
  } finally {
    rmSync(copies, { recursive: true, force: true });
    giveBack();
  }
}

let options: Options | null = null;
try {
  options = readOptions();
  if (options === null) process.stdout.write(USAGE);
} catch (error) {
  process.stderr.write(`deploy:local: ${error instanceof Error ? error.message : ''}\n\n${USAGE}`);
  process.exit(EX_USAGE);
}
if (options !== null) {
  await run(options).catch((error: unknown) => {
    process.stderr.write(`deploy:local: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  });
}
process.exit();
