import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { mintToken, OPERATOR_SCOPES } from '../cli/access.ts';
import type { DevStart, Roles } from '../cli/commands/serve.ts';
import { forgetRunningDev, noteRunningDev } from '../cli/dev/running.ts';
import { localUrl } from '../cli/gate.ts';
import { EXIT, Exit, type Io } from '../cli/io.ts';
import type { Settings } from '../cli/settings.ts';
import { unknownSettings } from '../config/environment.ts';
import type { Config } from '../config/schema.ts';
import { toHex } from '../core/crypto/encoding.ts';
import { defined } from '../core/defined.ts';
import { codeOf, SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';
import { trimEndOf } from '../core/text/cap.ts';
import { loadClient } from '../net/clients.ts';
import { builtInOf } from '../workers/agents/settings.ts';
import { runUntilSignal } from './lifecycle.node.ts';
import { needPrices } from './model.node.ts';
import { openRuntime, type Runtime } from './runtime.node.ts';
import { redisWarnings } from './store.node.ts';
import type { LoadedHalves, WorkerHandle } from './worker.node.ts';

/** The production roles. Each loads only its own half: an ingress never loads BullMQ or a vendor SDK. */
export const roles: Roles = {
  async ingress(settings, io) {
    collectSooner();
    const runtime = await open(openRuntime(settings.config, 'ingress', false, io), settings, io);
    const { startIngress } = await import('./ingress.node.ts');
    const listening = await startIngress(runtime);
    runtime.log.info({ role: 'ingress', port: listening.port }, 'process.listening');
    await runUntilSignal(runtime, [listening]);
  },
  async worker(settings, io) {
    const runtime = await open(openRuntime(settings.config, 'worker', false, io), settings, io);
    const startWorker = await loadWorker(runtime);
    const { startWorkerOps } = await import('./health.node.ts');
    const worker = startWorker();
    const ops = await startWorkerOps(runtime, io.environment.PORT !== undefined);
    runtime.log.info({ role: 'worker', port: ops?.port }, 'process.working');
    await runUntilSignal(runtime, ops === null ? [worker] : [worker, ops]);
  },
  async all(settings, io) {
    await runBoth(await open(openRuntime(settings.config, 'all', false, io), settings, io), () => {});
  },
  async dev(settings, io, start) {
    const runtime = await open(openDevRuntime(settings.config, start, io), settings, io);
    const { dataFolder } = start;
    let refreshing: NodeJS.Timeout | undefined;
    try {
      await runBoth(runtime, async (port) => {
        const note = () => noteDev(runtime, dataFolder, port);
        await note();
        refreshing = setInterval(() => void note().catch(() => {}), TOKEN_MS / 2);
        io.print(banner(runtime, start, port, io));
      });
    } finally {
      clearInterval(refreshing);
      await forgetRunningDev(dataFolder, process.pid);
    }
  },
  examine: async () => (await import('./doctor.node.ts')).examine,
  storeCounts: async () => (await import('./support.node.ts')).storeCounts,
  storeCopies: async () => (await import('./store-copies.node.ts')).storeCopies,
};

async function runBoth(runtime: Runtime, onListening: (port: number) => Promise<void> | void): Promise<void> {
  const [{ startIngress }, startWorker] = await Promise.all([import('./ingress.node.ts'), loadWorker(runtime)]);
  const listening = await startIngress(runtime);
  const worker = startWorker();
  runtime.log.info({ role: 'all', port: listening.port }, 'process.listening');
  // Before anything else: a signal that comes now must end the process in order.
  const stopped = runUntilSignal(runtime, [listening, worker]);
  await onListening(listening.port);
  await stopped;
}

/** @throws Exit 78 when the store must not be used as it is set up. */
async function open(opening: Promise<Runtime>, { withoutEffect }: Settings, { environment }: Io): Promise<Runtime> {
  try {
    const runtime = await opening;
    for (const { name: setting, meant } of unknownSettings(environment)) {
      runtime.log.warn({ setting, ...defined({ meant }) }, 'setting.unknown');
    }
    const weaknesses = redisWarnings(runtime.config);
    const redis = { setting: 'SALLYPORT_REDIS_URL' };
    if (weaknesses.includes('unencrypted')) runtime.log.warn(redis, 'store.unencrypted');
    if (weaknesses.includes('noPassword')) runtime.log.warn(redis, 'store.no-password');
    for (const setting of withoutEffect) runtime.log.warn({ setting }, 'setting.no-effect');
    return runtime;
  } catch (error) {
    if (error instanceof SallyportError) throw new Exit(EXIT.config, `${error.message} (${error.code})`);
    throw error;
  }
}

/**
 * Percent by which the old generation may outgrow what was alive at its last collection. V8's own choice, up to four times
 * as much, lets an ingress of 20 MiB live data keep 50 MiB of what deliveries left behind. Measured: 30 MiB less resident
 * memory; single events cost the same, deliveries of a hundred notifications a fifth more (bench/README.md).
 */
const GROWTH_PERCENT = 20;

/** For a process whose garbage is all short-lived. The factor is read before each collection, so it counts at once. */
const collectSooner = (): void => setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);

/**
 * Loads the worker's half of the process, `startWorker`, with all that its first runs would load: vendors' clients and
 * the AI SDK, of which only the configured ones. They keep a process for up to a second, and its runs would stand still.
 */
export async function loadWorker(runtime: Runtime): Promise<() => WorkerHandle> {
  const [{ startWorker }, halves, trustedAgents] = await Promise.all([
    import('./worker.node.ts'),
    loadHalves(runtime),
    import('./trusted-agent.node.ts').then(({ loadTrustedAgents }) => loadTrustedAgents(runtime)),
    loadClient(),
    asksModels(runtime.config) ? import('../workers/agents/assistant/ask-model.ts') : null,
    needPrices(runtime.config),
  ]);
  return () => startWorker(runtime, halves, trustedAgents);
}

const asksModels = ({ agent, agents }: Config): boolean =>
  agent.llm.baseUrl !== undefined || agents.some(({ model }) => typeof model === 'object');

/** Loads the Node halves of the channels that any tenant sets, and their vendors' libraries. */
export async function loadHalves({ config, plugs }: Pick<Runtime, 'config' | 'plugs'>): Promise<LoadedHalves> {
  const isSet = (name: ChannelName): boolean =>
    Object.values(config.tenants).some((tenant) => Reflect.get(tenant, name));
  const loading = Object.entries(plugs.halves)
    .filter(([name]) => isSet(name))
    .map(async ([name, load]) => {
      const half = await load();
      await half.load?.();
      return [name, half] as const;
    });
  return new Map(await Promise.all(loading));
}

/**
 * Opens the store of `dev` with the configured keys or, where it was made with the development keys, with these.
 * @throws SallyportError ERR_STORE_MISMATCH when it was made with neither
 */
async function openDevRuntime(config: Config, { keys, standIns }: DevStart, outside: Io): Promise<Runtime> {
  const { configured, own } = keys;
  const io = { ...outside, standIns };
  try {
    return await openRuntime({ ...config, keys: configured }, 'dev', true, io);
  } catch (error) {
    if (own === null || codeOf(error) !== 'ERR_STORE_MISMATCH') throw error;
    const runtime = await openRuntime({ ...config, keys: own }, 'dev', true, io);
    const isSealKept = isSame(configured.seal?.[0], own.seal?.[0]);
    const settings = isSealKept ? 'SALLYPORT_ID_KEY' : 'SALLYPORT_ID_KEY, SALLYPORT_SEAL_KEY';
    const another =
      config.store.redisUrl === undefined
        ? 'set another SALLYPORT_DATA_DIR or remove that folder'
        : 'set another SALLYPORT_REDIS_PREFIX';
    io.complain(
      `${settings}: dev keeps the keys its store was made with; for a store with the configured ones, ${another}`,
    );
    return runtime;
  }
}

const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && toHex(one) === toHex(other);

/** Life of the token that commands in the folder of `dev` use: a working day, unless the API accepts less. */
const TOKEN_MS = 12 * 3_600_000;

/** Tells the commands in the folder of `dev` where it is. */
async function noteDev({ config }: Runtime, dataFolder: string, port: number): Promise<void> {
  const claims = { subject: 'operator', tenant: 'default', scope: OPERATOR_SCOPES, ttlMs: TOKEN_MS };
  const token = await mintToken(config.api, claims);
  await noteRunningDev(dataFolder, { pid: process.pid, url: localUrl({ ...config.server, port }), token });
}

/** What `dev` says once it listens: what it runs with, where things are and what to try. */
function banner({ config, plugs: { modules } }: Runtime, start: DevStart, port: number, io: Io): string {
  const local = localUrl({ ...config.server, port });
  const base = trimEndOf(config.server.publicUrl ?? local, '/');
  const { configFile, dataFolder } = start;
  const place = (path: string): string => relative(io.folder, path) || '.';
  const store = config.store.redisUrl === undefined ? '' : ' (events are in Redis)';
  const command = existsSync(join(io.folder, 'bin', 'sallyport.js')) ? 'node bin/sallyport.js' : 'npx sallyport';
  return [
    '',
    `Sallyport is listening on ${local}`,
    '',
    line(
      'Configuration',
      configFile === undefined ? 'environment and .env; no sallyport.config file' : place(configFile),
    ),
    line('Agents', agentsOf(config).join(', ')),
    line('Data folder', `${place(dataFolder)}${store}`),
    '',
    ...modules.flatMap(({ name, hooks }) => hooks.map(({ label, path }) => line(label, hookUrl(base, name, path)))),
    line('Chat', `${base}/chat`),
    line('API', `${base}/events`),
    line('Health', `${base}/health  ${base}/ready`),
    '',
    'Commands in this folder find it and its token. A token for other clients of the API:',
    '',
    `  ${command} token --scope "events:read chat:write"`,
    '',
    'Try it in another terminal:',
    '',
    `  ${command} send ${modules[0]?.name} --text "hello" --wait`,
    '',
  ].join('\n');
}

/** Each agent and what answers for it; the built-in one last. */
function agentsOf({ agent, agents }: Config): string[] {
  const model = agent.llm.model === undefined ? '' : ` (model ${agent.llm.model})`;
  const own = agents.map(({ name, instructions, model: named }) => {
    if (instructions === undefined) return name;
    return typeof named === 'string' ? `${name} (model ${named})` : `${name}${named === undefined ? model : ''}`;
  });
  const builtIn = builtInOf(agent, agents);
  return builtIn === null ? own : [...own, builtIn === 'assistant' ? `assistant${model}` : builtIn];
}

/** Labels have room for 19 characters. */
const line = (label: string, text: string): string => `  ${label.padEnd(20)}${text}`;

const hookUrl = (base: string, name: ChannelName, path: string): string =>
  [base, 'hooks', name, 'default', ...(path === '' ? [] : [path])].join('/');
