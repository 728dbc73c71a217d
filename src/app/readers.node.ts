import type { Reader } from '../channels/channel.ts';
import type { ChannelName } from '../core/event.ts';
import { createGmailWorker } from './gmail.node.ts';
import { createGraphWorker } from './graph.node.ts';
import type { Runtime } from './runtime.node.ts';

/** Finds what reads a channel's events before the agent does; null where a delivery holds all there is to know. */
export function createReaderTable(runtime: Runtime): (tenant: string, channel: ChannelName) => Reader | null {
  const table = new Map<string, Reader>();
  for (const [tenant, { graph, gmail }] of Object.entries(runtime.config.tenants)) {
    if (graph !== undefined) table.set(`graph/${tenant}`, createGraphWorker(tenant, graph, runtime).reader);
    if (gmail !== undefined) table.set(`gmail/${tenant}`, createGmailWorker(tenant, gmail, runtime).reader);
  }
  return (tenant, channel) => table.get(`${channel}/${tenant}`) ?? null;
}
