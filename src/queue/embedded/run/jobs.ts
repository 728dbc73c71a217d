import { codeOf, type ErrorCode } from '../../../core/errors.ts';
import type { EventRecord, EventState } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import { type ConsumeOptions, type Consumer, type Jobs, PARKED_AT_MOST } from '../../jobs.ts';
import type { ConversationRef } from '../../lease.ts';
import { isAtRest } from '../../model/transitions.ts';
import type { Signal, StoreParts } from '../store-parts.ts';
import { toRecord } from '../tables/event-table.ts';
import { createSweep } from './sweep.ts';

interface JobsTiming {
  readonly pollMs: number;
  readonly sweepMs: number;
}

interface ClosableJobs extends Jobs {
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
    parked: createParked(parts),
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
  const due = connection.query<{ due: number; at: number | null }>(
    'SELECT count(*) AS due, min(wake_at) AS at FROM conversations WHERE wake_at <= ?',
  );
  return async () =>
    writer.read(() => {
      const now = clock();
      const states = Object.fromEntries(tallies.all().map(({ state, events }) => [state, events]));
      const waiting = due.get(now);
      return {
        states,
        oldestMs: Math.max(0, now - (oldest.get()?.at ?? now)),
        due: waiting?.due ?? 0,
        dueMs: now - (waiting?.at ?? now),
        // An event is parked and its entry written in one transaction.
        auditPending: 0,
      };
    });
}

function createParked({ connection, writer }: StoreParts): Jobs['parked'] {
  const totals = connection.query<{ tenant: string; events: number }>(
    `SELECT tenant, events FROM tallies WHERE state = 'parked' AND events > 0`,
  );
  const codes = connection.query<{ code: ErrorCode; events: number }>(
    `SELECT failure AS code, count(*) AS events FROM
       (SELECT failure FROM events WHERE tenant = ? AND state = 'parked' LIMIT ?) GROUP BY failure`,
  );
  return async (atMost = PARKED_AT_MOST) =>
    writer.read(() => {
      const byCode = new Map<ErrorCode, number>();
      let left = atMost;
      let uncounted = 0;
      for (const { tenant, events } of totals.all()) {
        for (const one of codes.all(tenant, left)) byCode.set(one.code, (byCode.get(one.code) ?? 0) + one.events);
        uncounted += Math.max(0, events - left);
        left = Math.max(0, left - events);
      }
      return { byCode, uncounted };
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

/** Keeps up to `concurrency` conversations running. */
function startConsumer(
  parts: {
    readonly wakes: Wakes;
    readonly due: Signal<void>;
    /** Removes what is past its time. */
    readonly sweep: () => Promise<void>;
    readonly logger: Logger;
    /** How often other processes' accepts are looked for. */
    readonly pollMs: number;
    readonly sweepMs: number;
  },
  { concurrency, run }: ConsumeOptions,
): Consumer {
  const { wakes, due, sweep, logger, pollMs, sweepMs } = parts;
  const running = new Set<Promise<void>>();
  let closing = false;
  let claiming: Promise<void> | null = null;
  let askedAgain = false;

  function pump(): void {
    if (closing || running.size >= concurrency) return;
    if (claiming !== null) {
      askedAgain = true;
      return;
    }
    claiming = claim().finally(() => {
      claiming = null;
      if (askedAgain) {
        askedAgain = false;
        pump();
      }
    });
  }

  const claim = (): Promise<void> =>
    report('queue.poll_failed', async () => {
      const claimed = await wakes.claim(concurrency - running.size);
      if (closing) await wakes.giveBack(claimed);
      else for (const conversation of claimed) start(conversation);
    });

  function start(conversation: ConversationRef): void {
    const ended = report('conversation.failed', () => run(conversation)).finally(() => {
      running.delete(ended);
      pump();
    });
    running.add(ended);
  }

  /** A failure here leaves the conversation to its next wake; it is logged and goes no further. */
  async function report(name: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      logger.warn({ code: codeOf(error) }, name);
    }
  }

  const unlisten = due.listen(pump);
  const poll = setInterval(pump, pollMs);
  const sweeper = setInterval(() => void report('queue.sweep_failed', sweep), sweepMs);
  pump();

  return {
    untaken: async () => (running.size >= concurrency ? 0 : wakes.due()),
    async close(graceMs) {
      closing = true;
      unlisten();
      clearInterval(poll);
      clearInterval(sweeper);
      await claiming;
      await settledWithin(running, graceMs);
    },
  };
}

async function settledWithin(running: ReadonlySet<Promise<void>>, graceMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const grace = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  await Promise.race([Promise.all(running), grace]);
  clearTimeout(timer);
}

/** Finds due conversations and hands each to one worker. */
export interface Wakes {
  /** Up to `room` due conversations, one tenant after the other, each now this caller's to run. */
  claim(room: number): Promise<ConversationRef[]>;
  /** Conversations that are due. */
  due(): number;
  /** Gives back what was claimed and not begun. */
  giveBack(conversations: readonly ConversationRef[]): Promise<void>;
}

/** Every tenant that has conversations, found by one seek of the index each, however long their queues are. */
const TENANTS = `
  WITH RECURSIVE known (tenant) AS (
    SELECT min(tenant) FROM conversations
    UNION ALL
    SELECT (SELECT min(tenant) FROM conversations WHERE tenant > known.tenant) FROM known WHERE known.tenant IS NOT NULL
  )
  SELECT tenant FROM known WHERE tenant IS NOT NULL`;

function createWakes({ connection, writer, conversations, due, limits, clock }: StoreParts): Wakes {
  const isDue = connection.query('SELECT 1 FROM conversations WHERE wake_at <= ? LIMIT 1');
  const countDue = connection.query<{ due: number }>('SELECT count(*) AS due FROM conversations WHERE wake_at <= ?');
  const tenants = connection.query<{ tenant: string }>(TENANTS);
  const next = connection.query<{ key: string }>(
    'SELECT key FROM conversations WHERE tenant = ? AND wake_at <= ? ORDER BY wake_at LIMIT 1',
  );
  /** Who was served last; the next round begins behind it, so that a quiet tenant waits for one turn of the others. */
  let lastServed = '';

  /** A wake that was handed over comes due again by itself unless taking the conversation replaces it. */
  function claimNext(tenant: string, now: number): ConversationRef | null {
    const row = next.get(tenant, now);
    if (row === undefined) return null;
    const conversation = { tenant, key: row.key };
    conversations.wakeAt(conversation, now + limits.rewakeMs);
    lastServed = tenant;
    return conversation;
  }

  function claimRound(room: number): ConversationRef[] {
    const now = clock();
    const known = tenants.all().map(({ tenant }) => tenant);
    const behind = known.filter((tenant) => tenant > lastServed);
    let ring = [...behind, ...known.slice(0, known.length - behind.length)];
    const claimed: ConversationRef[] = [];
    while (ring.length > 0 && claimed.length < room) {
      ring = ring.filter((tenant) => {
        if (claimed.length === room) return true;
        const conversation = claimNext(tenant, now);
        if (conversation !== null) claimed.push(conversation);
        return conversation !== null;
      });
    }
    return claimed;
  }

  return {
    due: () => writer.read(() => countDue.get(clock())?.due ?? 0),
    async claim(room) {
      // Looking costs no transaction: an idle process leaves the disk alone.
      if (writer.read(() => isDue.get(clock())) === undefined) return [];
      return writer.write(() => claimRound(room));
    },
    async giveBack(claimed) {
      await writer.write(() => {
        for (const conversation of claimed) conversations.wakeAt(conversation, clock());
      });
      due.emit();
    },
  };
}
