import { loadGraphClient } from '../channels/graph/graph-api.ts';
import { loadSlackClient } from '../channels/slack/web-api.ts';
import type { Config } from '../config/schema.ts';

/**
 * Loads what the first runs would load: vendors' clients and the AI SDK, of which only the configured ones. Together
 * they keep a process for up to a second, in which runs that had begun would stand still.
 */
export async function loadClients({ tenants, agent }: Config): Promise<void> {
  const configured = Object.values(tenants);
  const uses = (channel: 'slack' | 'graph' | 'gmail'): boolean =>
    configured.some((tenant) => tenant[channel] !== undefined);
  const asksModel = agent.llm.baseUrl !== undefined;
  await Promise.all([
    uses('slack') && loadSlackClient(),
    uses('graph') && loadGraphClient(),
    uses('gmail') && import('../channels/gmail/client.ts'),
    asksModel && import('../workers/agent/assistant/ask-model.ts'),
  ]);
}
