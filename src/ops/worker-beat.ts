import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/errors.ts';
import { isJsonObject } from '../core/json/json.ts';
import type { Records } from '../queue/records.ts';

/** Not a tenant's records: tenants cannot have an underscore in their name. */
const SYSTEM = '_system';
const COLLECTION = 'workers';

/** Milliseconds between beats. */
const BEAT_MS = 5_000;
/** A worker not heard of for this long is gone: three missed beats. */
const GONE_MS = 3 * BEAT_MS;

export interface BeatDeps {
  readonly records: Records;
  readonly clock: Clock;
}

/** Tells the store every 5 s that this worker lives, and clears away those that are gone. Resolves to a stop. */
export function startWorkerBeat(id: string, deps: BeatDeps): () => Promise<void> {
  const beat = (): void => {
    write(id, deps).catch(() => {
      // The store is away: `/ready` says so already, and the next beat tries again.
    });
  };
  beat();
  const timer = setInterval(beat, BEAT_MS);
  return async () => {
    clearInterval(timer);
    const { records } = deps;
    const mine = await records.get(SYSTEM, COLLECTION, id);
    if (mine !== null) await records.compareAndSet(SYSTEM, COLLECTION, id, mine.revision, null);
  };
}

async function write(id: string, { records, clock }: BeatDeps): Promise<void> {
  const known = await records.list(SYSTEM, COLLECTION);
  await records.compareAndSet(SYSTEM, COLLECTION, id, known.get(id)?.revision ?? 0, { at: clock() });
  for (const [name, { value, revision }] of known) {
    if (name !== id && clock() - beatAt(value) > 10 * GONE_MS) {
      await records.compareAndSet(SYSTEM, COLLECTION, name, revision, null);
    }
  }
}

/** A readiness probe: some worker has been heard of lately. @throws SallyportError ERR_WORKER_SILENT */
export async function probeWorkers({ records, clock }: BeatDeps): Promise<void> {
  const known = await records.list(SYSTEM, COLLECTION);
  for (const { value } of known.values()) if (clock() - beatAt(value) <= GONE_MS) return;
  throw new SallyportError('ERR_WORKER_SILENT', 'no worker has been heard of');
}

const beatAt = (value: unknown): number => (isJsonObject(value) && typeof value.at === 'number' ? value.at : 0);
