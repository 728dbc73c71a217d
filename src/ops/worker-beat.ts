import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/errors.ts';
import type { Consumer } from '../queue/jobs.ts';
import { createCollection } from '../queue/records/collection.ts';
import type { Records } from '../queue/records.ts';
import type { WorkerFigures } from './store-gauges.ts';

/** Not a tenant's records: tenants cannot have an underscore in their name. */
const SYSTEM = '_system';

/** When a worker was last heard of, by its id; `isStalled`: it took nothing although something waited for it. */
const beatsIn = (records: Records) =>
  createCollection(records, 'workers', z.object({ at: z.number(), isStalled: z.boolean().optional() }));

/** Milliseconds between beats. */
const BEAT_MS = 5_000;
/** A worker not heard of for this long is gone: three missed beats. */
const GONE_MS = 3 * BEAT_MS;

/** Beats in a row at which something waits and nothing was taken: what came a moment ago is taken a moment later. */
const TO_STALL = 3;

/** Tells the store every 5 s that this worker lives and takes work, and clears away those that are gone. Resolves to a stop. */
export function startWorkerBeat(
  id: string,
  {
    records,
    clock,
    taken,
    untaken,
  }: {
    readonly records: Records;
    readonly clock: Clock;
    /** Conversations the worker has taken since its start. */
    readonly taken: () => number;
    readonly untaken: Consumer['untaken'];
  },
): () => Promise<void> {
  const beats = beatsIn(records);
  let idleBeats = 0;
  let takenBefore = -1;
  const isStalled = async (): Promise<boolean> => {
    const isIdle = (await untaken()) > 0 && taken() === takenBefore;
    idleBeats = isIdle ? idleBeats + 1 : 0;
    takenBefore = taken();
    return idleBeats >= TO_STALL;
  };
  const write = async (): Promise<void> => {
    await beats.replace(SYSTEM, id, { at: clock(), ...((await isStalled()) && { isStalled: true }) });
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

/** For the metrics: workers that were heard of lately, by whether they take work. */
export async function workerFigures({
  records,
  clock,
}: {
  readonly records: Records;
  readonly clock: Clock;
}): Promise<WorkerFigures> {
  const living = await livingWorkers(records, clock());
  const stalled = living.filter(({ isStalled }) => isStalled === true).length;
  return { working: living.length - stalled, stalled };
}

async function livingWorkers(records: Records, now: number) {
  const { records: beats } = await beatsIn(records).list(SYSTEM);
  return [...beats.values()].filter(({ at }) => now - at <= GONE_MS);
}

/** A readiness probe: some worker has been heard of lately, and takes work. @throws SallyportError ERR_WORKER_SILENT, ERR_WORKER_STALLED */
export async function probeWorkers({
  records,
  clock,
}: {
  readonly records: Records;
  readonly clock: Clock;
}): Promise<void> {
  const living = await livingWorkers(records, clock());
  if (living.length === 0) throw new SallyportError('ERR_WORKER_SILENT', 'no worker has been heard of');
  if (living.every(({ isStalled }) => isStalled === true)) {
    throw new SallyportError('ERR_WORKER_STALLED', 'events wait, and no worker takes any');
  }
}
