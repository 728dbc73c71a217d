import { createMemory, type Memory, startForgetting } from '../workers/agents/memory/memory.ts';
import type { Runtime } from './runtime.node.ts';

/** What conversations remember; what is too old goes by itself until the process stops. */
export function openMemory({ config, store, identifier, log, drain }: Runtime): Memory {
  const { turns, bytes, age: ageMs } = config.agent.memory;
  const shared = { records: store.records, digest: identifier.digest, clock: Date.now };
  const memory = createMemory({ ...shared, bounds: { turns, bytes, ageMs } });
  const { acquire } = store.lease;
  const forgetting = { memory, tenants: Object.keys(config.tenants), ageMs, acquire, clock: Date.now, logger: log };
  startForgetting(forgetting, drain.signal);
  return memory;
}
