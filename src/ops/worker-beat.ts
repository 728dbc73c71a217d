import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/errors.ts';
import { createCollection } from '../queue/records/collection.ts';
import type { Records } from '../queue/records.ts';

/** Not a tenant's records: tenants cannot have an underscore in their name. */
const SYSTEM = '_system';

/** When a worker was last heard of, by its id. */
const beatsIn = (records: Records) => createCollection(records, 'workers', z.object({ at: z.number() }));

/** Milliseconds between beats. */
const BEAT_MS = 5_000;
/** A worker not heard of for this long is gone: three missed beats. */
const GONE_MS = 3 * BEAT_MS;

/** Tells the store every 5 s that this worker lives, and clears away those that are gone. Resolves to a stop. */
export function startWorkerBeat(
  id: string,
  { records, clock }: { readonly records: Records; readonly clock: Clock },
): () => Promise<void> {
  const beats = beatsIn(records);
  const write = async (): Promise<void> => {
    await beats.replace(SYSTEM, id, { at: clock() });
    const isGone = (at: number): boolean => clock() - at > 10 * GONE_MS;
    for (const [name, { at }] of (await beats.list(SYSTEM)).records) {
      if (name !== id && isGone(at))
        await beats.update(SYSTEM, name, (known) => (known && isGone(known.at) ? null : known));
    }
  };
  const beat = (): void => {
    write().catch(() => {
      // The store is away: `/ready` says so already, and the next beat tries again.
    });
  };
  beat();
  const timer = setInterval(beat, BEAT_MS);
  return async () => {
    clearInterval(timer);
    await beats.replace(SYSTEM, id, null);
  };
}

/** A readiness probe: some worker has been heard of lately. @throws SallyportError ERR_WORKER_SILENT */
export async function probeWorkers({
  records,
  clock,
}: {
  readonly records: Records;
  readonly clock: Clock;
}): Promise<void> {
  const beats = await beatsIn(records).list(SYSTEM);
  for (const { at } of beats.records.values()) if (clock() - at <= GONE_MS) return;
  throw new SallyportError('ERR_WORKER_SILENT', 'no worker has been heard of');
}
