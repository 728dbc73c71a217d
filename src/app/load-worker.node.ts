import { loadClient } from '../net/clients.ts';
import { loadHalves } from './open-channels.node.ts';
import type { Runtime } from './runtime.node.ts';
import type { WorkerHandle } from './worker.node.ts';

/**
 * Loads the worker's half of the process, `startWorker`, with all that its first runs would load: vendors' clients and
 * the AI SDK, of which only the configured ones. They keep a process for up to a second, and its runs would stand still.
 */
export async function loadWorker(runtime: Runtime): Promise<() => WorkerHandle> {
  const [{ startWorker }, halves] = await Promise.all([
    import('./worker.node.ts'),
    loadHalves(runtime),
    loadClient(),
    runtime.config.agent.llm.baseUrl === undefined ? null : import('../workers/agents/assistant/ask-model.ts'),
  ]);
  return () => startWorker(runtime, halves);
}
