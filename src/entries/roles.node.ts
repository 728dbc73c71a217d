import type { Roles } from '../cli/commands/serve.ts';
import { EXIT, Exit } from '../cli/io.ts';
import type { Config } from '../config/schema.ts';
import { SallyportError } from '../core/errors.ts';
import { runUntilSignal } from './lifecycle.node.ts';
import { openRuntime, type Runtime } from './runtime.node.ts';

/** The production roles. Each loads only its own half: an ingress never loads BullMQ or a vendor SDK. */
export const roles: Roles = {
  async ingress(config) {
    const runtime = await open(config, false);
    const { startIngress } = await import('./ingress.node.ts');
    const listening = await startIngress(runtime);
    runtime.log.info({ role: 'ingress', port: listening.port }, 'process.listening');
    await runUntilSignal(runtime, [listening]);
  },
  async worker(config, io) {
    const runtime = await open(config, false);
    const { startWorker } = await import('./worker.node.ts');
    const { startWorkerOps } = await import('./worker-ops.node.ts');
    const worker = startWorker(runtime);
    const ops = await startWorkerOps(runtime, io.environment.PORT !== undefined);
    runtime.log.info({ role: 'worker', port: ops?.port }, 'process.working');
    await runUntilSignal(runtime, ops === null ? [worker] : [worker, ops]);
  },
  async all(config) {
    await runBoth(await open(config, false), () => {});
  },
  async dev(config, io) {
    const { banner } = await import('./banner.node.ts');
    await runBoth(await open(config, true), (port) => banner(config, port, io));
  },
  async examine() {
    return (await import('./doctor.node.ts')).examine;
  },
};

async function runBoth(runtime: Runtime, onListening: (port: number) => Promise<void> | void): Promise<void> {
  const [{ startIngress }, { startWorker }] = await Promise.all([
    import('./ingress.node.ts'),
    import('./worker.node.ts'),
  ]);
  const listening = await startIngress(runtime);
  const worker = startWorker(runtime);
  runtime.log.info({ role: 'all', port: listening.port }, 'process.listening');
  await onListening(listening.port);
  await runUntilSignal(runtime, [listening, worker]);
}

/** @throws Exit 78 when the store must not be used as it is set up. */
async function open(config: Config, isDev: boolean): Promise<Runtime> {
  try {
    return await openRuntime(config, isDev);
  } catch (error) {
    if (error instanceof SallyportError) throw new Exit(EXIT.config, `${error.message} (${error.code})`);
    throw error;
  }
}
