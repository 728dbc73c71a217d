import { type EventState, eventStates } from '../../../core/event.ts';
import type { QueueStats } from '../../jobs.ts';
import { unavailable } from '../client/failure.ts';
import { infoOfMasters } from '../client/info.ts';
import { memoryRatioOf } from '../client/memory-guard.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** Sums over all shards; of memory, the fullest master counts, because it refuses first. */
export async function queueStats({ keys, client, run, now }: Shards): Promise<QueueStats> {
  const [perShard, masters] = await Promise.all([
    Promise.all(keys.tags.map((tag) => run(scripts.stats, tag, [now(), ...eventStates]))),
    infoOfMasters(client, 'memory'),
  ]).catch((error: unknown) => {
    throw unavailable(error);
  });
  const states: Partial<Record<EventState, number>> = {};
  let oldestMs = 0;
  for (const reply of perShard as number[][]) {
    oldestMs = Math.max(oldestMs, reply[0] ?? 0);
    for (const [i, state] of eventStates.entries()) states[state] = (states[state] ?? 0) + (reply[i + 1] ?? 0);
  }
  const ratios = masters.map(memoryRatioOf).filter((ratio) => ratio !== null);
  return { states, oldestMs, ...(ratios.length === 0 ? {} : { memoryRatio: Math.max(...ratios) }) };
}
