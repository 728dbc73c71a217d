import type { Roles } from '../cli/commands/serve.ts';
import { EXIT, Exit, type Io } from '../cli/io.ts';
import type { Settings } from '../cli/settings.ts';
import { unknownSettings } from '../config/environment.ts';
import { SallyportError } from '../core/errors.ts';
import { collectSooner } from './collect-sooner.node.ts';
import { runUntilSignal } from './lifecycle.node.ts';
import { loadWorker } from './load-worker.node.ts';
import { openDevRuntime } from './open-dev-runtime.node.ts';
import { openRuntime, type Runtime } from './runtime.node.ts';

/** The production roles. Each loads only its own half: an ingress never loads BullMQ or a vendor SDK. */
export const roles: Roles = {
  async ingress(settings, io) {
    collectSooner();
    const runtime = await open(openRuntime(settings.config, false), settings, io);
    const { startIngress } = await import('./ingress.node.ts');
    const listening = await startIngress(runtime);
    runtime.log.info({ role: 'ingress', port: listening.port }, 'process.listening');
    await runUntilSignal(runtime, [listening]);
  },
  async worker(settings, io) {
    const runtime = await open(openRuntime(settings.config, false), settings, io);
    const startWorker = await loadWorker(runtime);
    const { startWorkerOps } = await import('./worker-ops.node.ts');
    const worker = startWorker();
    const ops = await startWorkerOps(runtime, io.environment.PORT !== undefined);
    runtime.log.info({ role: 'worker', port: ops?.port }, 'process.working');
    await runUntilSignal(runtime, ops === null ? [worker] : [worker, ops]);
  },
  async all(settings, io) {
    await runBoth(await open(openRuntime(settings.config, false), settings, io), () => {});
  },
  async dev(settings, io, keys) {
    const { banner } = await import('./banner.node.ts');
    const runtime = await open(openDevRuntime(settings.config, keys, io), settings, io);
    await runBoth(runtime, (port) => banner(runtime, port, io));
  },
  examine: async () => (await import('./doctor.node.ts')).examine,
};

async function runBoth(runtime: Runtime, onListening: (port: number) => Promise<void> | void): Promise<void> {
  const [{ startIngress }, startWorker] = await Promise.all([import('./ingress.node.ts'), loadWorker(runtime)]);
  const listening = await startIngress(runtime);
  const worker = startWorker();
  runtime.log.info({ role: 'all', port: listening.port }, 'process.listening');
  await onListening(listening.port);
  await runUntilSignal(runtime, [listening, worker]);
}

/** @throws Exit 78 when the store must not be used as it is set up. */
async function open(opening: Promise<Runtime>, { withoutEffect }: Settings, { environment }: Io): Promise<Runtime> {
  try {
    const runtime = await opening;
    for (const setting of unknownSettings(environment)) runtime.log.warn({ setting }, 'setting.unknown');
    for (const setting of withoutEffect) runtime.log.warn({ setting }, 'setting.no-effect');
    return runtime;
  } catch (error) {
    if (error instanceof SallyportError) throw new Exit(EXIT.config, `${error.message} (${error.code})`);
    throw error;
  }
}
