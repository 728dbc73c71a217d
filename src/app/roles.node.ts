import type { Roles } from '../cli/commands/serve.ts';
import { EXIT, Exit, type Io } from '../cli/io.ts';
import { unknownSettings } from '../config/environment.ts';
import { SallyportError } from '../core/errors.ts';
import { collectSooner } from './collect-sooner.node.ts';
import { runUntilSignal } from './lifecycle.node.ts';
import { loadWorker } from './load-worker.node.ts';
import { openDevRuntime } from './open-dev-runtime.node.ts';
import { openRuntime, type Runtime } from './runtime.node.ts';

/** The production roles. Each loads only its own half: an ingress never loads BullMQ or a vendor SDK. */
export const roles: Roles = {
  async ingress(config, io) {
    collectSooner();
    const runtime = await open(openRuntime(config, false), io);
    const { startIngress } = await import('./ingress.node.ts');
    const listening = await startIngress(runtime);
    runtime.log.info({ role: 'ingress', port: listening.port }, 'process.listening');
    await runUntilSignal(runtime, [listening]);
  },
  async worker(config, io) {
    const runtime = await open(openRuntime(config, false), io);
    const startWorker = await loadWorker(config);
    const { startWorkerOps } = await import('./worker-ops.node.ts');
    const worker = startWorker(runtime);
    const ops = await startWorkerOps(runtime, io.environment.PORT !== undefined);
    runtime.log.info({ role: 'worker', port: ops?.port }, 'process.working');
    await runUntilSignal(runtime, ops === null ? [worker] : [worker, ops]);
  },
  async all(config, io) {
    await runBoth(await open(openRuntime(config, false), io), () => {});
  },
  async dev(config, io, keys) {
    const { banner } = await import('./banner.node.ts');
    await runBoth(await open(openDevRuntime(config, keys, io), io), (port) => banner(config, port, io));
  },
  examine: async () => (await import('./doctor.node.ts')).examine,
};

async function runBoth(runtime: Runtime, onListening: (port: number) => Promise<void> | void): Promise<void> {
  const [{ startIngress }, startWorker] = await Promise.all([import('./ingress.node.ts'), loadWorker(runtime.config)]);
  const listening = await startIngress(runtime);
  const worker = startWorker(runtime);
  runtime.log.info({ role: 'all', port: listening.port }, 'process.listening');
  await onListening(listening.port);
  await runUntilSignal(runtime, [listening, worker]);
}

/** @throws Exit 78 when the store must not be used as it is set up. */
async function open(opening: Promise<Runtime>, { environment }: Io): Promise<Runtime> {
  try {
    const runtime = await opening;
    for (const setting of unknownSettings(environment)) runtime.log.warn({ setting }, 'setting.unknown');
    return runtime;
  } catch (error) {
    if (error instanceof SallyportError) throw new Exit(EXIT.config, `${error.message} (${error.code})`);
    throw error;
  }
}
