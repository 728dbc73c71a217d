import type { Config } from '../config/schema.ts';
import { loadClient } from '../net/clients.ts';
import type { Runtime } from './runtime.node.ts';
import type { WorkerHandle } from './worker.node.ts';

/**
 * Loads the worker's half of the process, `startWorker`, with all that its first runs would load: vendors' clients and
 * the AI SDK, of which only the configured ones. They keep a process for up to a second, and its runs would stand still.
 */
export async function loadWorker(config: Config): Promise<(runtime: Runtime) => WorkerHandle> {
  const [{ startWorker }] = await Promise.all([import('./worker.node.ts'), loadClient(), ...clients(config)]);
  return startWorker;
}

function clients({ tenants, agent }: Config): Promise<unknown>[] {
  const uses = (channel: 'slack' | 'graph' | 'gmail'): boolean =>
    Object.values(tenants).some((tenant) => tenant[channel] !== undefined);
  const loading: Promise<unknown>[] = [];
  if (uses('slack'))
    loading.push(import('../channels/slack/reply/web-api.ts').then((slack) => slack.loadSlackClient()));
  if (uses('graph'))
    loading.push(import('../channels/graph/api/graph-api.ts').then((graph) => graph.loadGraphClient()));
  if (uses('gmail')) loading.push(import('../channels/gmail/api/client.ts'));
  if (agent.llm.baseUrl !== undefined) loading.push(import('../workers/agents/assistant/ask-model.ts'));
  return loading;
}
