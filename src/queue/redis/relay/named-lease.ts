import { randomUUID } from 'node:crypto';
import type { NamedLease } from '../../lease.ts';
import { unavailable } from '../client/failure.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** Leases by name live in the shard that the name's hash chooses. */
export async function acquireNamed(
  { keys, client, run }: Shards,
  name: string,
  ttlMs: number,
): Promise<NamedLease | null> {
  const tag = keys.tagOf(name);
  const holder = randomUUID();
  const hold = async (ms: number): Promise<boolean> => (await run(scripts.hold, tag, [name, holder, ms])) === 1;
  try {
    // Sent again after a lost reply it finds its own holder there.
    const previous = await client.set(`${tag}:lock:${name}`, holder, 'PX', ttlMs, 'NX', 'GET');
    if (previous !== null && previous !== holder) return null;
  } catch (error) {
    throw unavailable(error);
  }
  return {
    renew: () => hold(ttlMs),
    release: async () => void (await hold(0)),
  };
}
