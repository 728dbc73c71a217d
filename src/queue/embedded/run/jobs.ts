import type { EventRecord, EventState } from '../../../core/event.ts';
import type { Consumer, Jobs } from '../../jobs.ts';
import { isAtRest } from '../../model/transitions.ts';
import type { StoreParts } from '../store-parts.ts';
import { toRecord } from '../tables/event-row.ts';
import { startConsumer } from './consumer.ts';
import { createSweep } from './sweep.ts';
import { createWakes } from './wakes.ts';

export interface JobsTiming {
  readonly pollMs: number;
  readonly sweepMs: number;
}

export interface ClosableJobs extends Jobs {
  /** Stops every consumer without waiting for what runs. */
  close(): Promise<void>;
}

/** How often an event that another process may end is looked at. */
const RESULT_POLL_MS = 250;

export function createJobs(parts: StoreParts, timing: JobsTiming): ClosableJobs {
  const { due, logger } = parts;
  const consumerParts = { ...timing, wakes: createWakes(parts), sweep: createSweep(parts), due, logger };
  const consumers = new Set<Consumer>();
  return {
    consume(options) {
      const consumer = startConsumer(consumerParts, options);
      consumers.add(consumer);
      return consumer;
    },
    stats: createStats(parts),
    awaitResult: createAwaitResult(parts),
    async close() {
      await Promise.all([...consumers].map((consumer) => consumer.close(0)));
    },
  };
}

function createStats({ connection, writer, clock }: StoreParts): Jobs['stats'] {
  const tallies = connection.query<{ state: EventState; events: number }>(
    'SELECT state, sum(events) AS events FROM tallies GROUP BY state',
  );
  const oldest = connection.query<{ at: number | null }>(
    `SELECT min(eligible_at) AS at FROM events WHERE state = 'queued' AND attempts = 0`,
  );
  return async () =>
    writer.read(() => {
      const now = clock();
      const states = Object.fromEntries(tallies.all().map(({ state, events }) => [state, events]));
      return { states, oldestMs: Math.max(0, now - (oldest.get()?.at ?? now)) };
    });
}

function createAwaitResult({ writer, events, ended }: StoreParts): Jobs['awaitResult'] {
  function result(tenant: string, id: string): EventRecord | null {
    const row = writer.read(() => events.get(tenant, id));
    return row !== undefined && isAtRest(row.state) ? toRecord(row) : null;
  }

  /** Resolves when the event may have changed, at the latest after `ms`. */
  const change = (id: string, ms: number): Promise<void> =>
    new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        unlisten();
        resolve();
      };
      const timer = setTimeout(settle, ms);
      const unlisten = ended.listen((endedId) => {
        if (endedId === id) settle();
      });
    });

  return async (tenant, id, timeoutMs) => {
    const givesUpAt = performance.now() + timeoutMs;
    for (;;) {
      const record = result(tenant, id);
      const left = givesUpAt - performance.now();
      if (record !== null || left <= 0) return record;
      await change(id, Math.min(RESULT_POLL_MS, left));
    }
  };
}
