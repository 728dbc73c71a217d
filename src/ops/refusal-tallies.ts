import * as z from 'zod';
import type { AuditNote, RecordAudit, TalliedAction, TallyRefusal } from '../core/audit/entry.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf } from '../core/errors.ts';
import type { JsonObject } from '../core/json/json-text.ts';
import { withinTime } from '../core/linked-signal.ts';
import type { Logger } from '../core/logger.ts';
import { createCollection } from '../queue/records/collection.ts';
import type { Records } from '../queue/records.ts';

/** The first entry about something comes so long after it began, in ms: an attack is told of while it lasts. */
const FIRST_MS = 60_000;
/** Each further one so long after the one before, in ms. */
const NEXT_MS = 3_600_000;
/** Unless told otherwise. An entry is late by this much at most. */
const LOOK_MS = 5_000;
/** Entries of this kind a tenant gets in a day (UTC), of all processes together: who proves nothing must not fill the audit. */
const MAX_A_DAY = 50;
/** Reasons that are counted apart; they are words of ours, so there are fewer. */
const MAX_REASONS = 32;
/** Events that are named; the others are counted. */
const MAX_EVENTS = 10;
/** With the store there, the last entries take some milliseconds, in ms. */
const CLOSING_MS = 1_000;

export interface RefusalTallies {
  readonly note: TallyRefusal;
  /** Writes what was counted. Resolves when it is in the audit, or after `CLOSING_MS`. */
  close(): Promise<void>;
}

/** What was refused of one tenant, for one reason to count it, and is not in the audit yet. */
interface Tally {
  readonly tenant: string;
  readonly action: TalliedAction;
  readonly subject: string;
  readonly reasons: Map<string, number>;
  readonly events: string[];
  count: number;
  /** Epoch ms of the first of them. */
  since: number;
  dueAt: number;
}

/**
 * Counts what is refused before or beside the audit, and tells the audit of it now and then: an entry for each delivery
 * would let its sender decide how fast the audit grows, and cost each delivery a round trip. What a process that is killed
 * has counted since its last entry is lost. Of tenants that are not configured nothing is kept.
 */
export function startRefusalTallies({
  audit,
  records,
  tenants,
  clock,
  logger,
  lookMs = LOOK_MS,
}: {
  readonly audit: RecordAudit;
  readonly records: Records;
  readonly tenants: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often is looked for entries that are due, in ms. */
  readonly lookMs?: number;
}): RefusalTallies {
  const known: ReadonlySet<string> = new Set(tenants);
  const tallies = new Map<string, Tally>();
  const days = createCollection(records, 'refusal-tallies', z.object({ day: z.string(), entries: z.number() }));

  /** How many entries the tenant has had today, this one included; more than `MAX_A_DAY`: there must not be another one. */
  async function nextOfDay(tenant: string, day: string): Promise<number> {
    let entries = 0;
    await days.update(tenant, 'day', (before) => {
      entries = before?.day === day ? before.entries + 1 : 1;
      return entries > MAX_A_DAY ? before : { day, entries };
    });
    return entries;
  }

  async function tell(key: string, tally: Tally): Promise<void> {
    const now = clock();
    if (tally.count === 0) return void tallies.delete(key);
    const today = new Date(now).toISOString().slice(0, 10);
    const number = await nextOfDay(tally.tenant, today);
    if (number > MAX_A_DAY) {
      tally.dueAt = Date.parse(`${today}T00:00:00.000Z`) + 24 * NEXT_MS;
      return;
    }
    const told = { ...tally, reasons: new Map(tally.reasons), events: [...tally.events] };
    await audit(tally.tenant, [noteOf(told, now, number === MAX_A_DAY)]);
    // What came while it was written stays for the next one.
    tally.count -= told.count;
    for (const [reason, count] of told.reasons) {
      const left = (tally.reasons.get(reason) ?? 0) - count;
      if (left > 0) tally.reasons.set(reason, left);
      else tally.reasons.delete(reason);
    }
    tally.events.splice(0, told.events.length);
    tally.since = now;
    tally.dueAt = now + NEXT_MS;
  }

  async function tellDue(isDue: (tally: Tally) => boolean): Promise<void> {
    for (const [key, tally] of tallies) {
      if (!isDue(tally)) continue;
      await tell(key, tally).catch((error: unknown) => {
        // Counted on, and tried again.
        tally.dueAt = clock() + FIRST_MS;
        logger.warn({ tenant: tally.tenant, code: codeOf(error) }, 'audit.tally-unwritten');
      });
    }
  }

  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(() => tellDue(({ dueAt }) => dueAt <= clock()));
  }, lookMs);
  timer.unref();

  return {
    note(tenant, { action, subject, reason, eventId }) {
      if (!known.has(tenant)) return;
      const key = `${tenant} ${action} ${subject}`;
      const now = clock();
      let tally = tallies.get(key);
      if (tally === undefined) {
        tally = {
          tenant,
          action,
          subject,
          reasons: new Map(),
          events: [],
          count: 0,
          since: now,
          dueAt: now + FIRST_MS,
        };
        tallies.set(key, tally);
      }
      if (tally.count === 0) tally.since = now;
      tally.count += 1;
      const word = tally.reasons.has(reason) || tally.reasons.size < MAX_REASONS ? reason : 'other';
      tally.reasons.set(word, (tally.reasons.get(word) ?? 0) + 1);
      if (eventId !== undefined && tally.events.length < MAX_EVENTS) tally.events.push(eventId);
    },
    async close() {
      clearInterval(timer);
      const ended = running.then(() => tellDue(({ count }) => count > 0));
      await withinTime(CLOSING_MS, undefined, () => ended).catch(() => {});
    },
  };
}

function noteOf({ action, subject, count, reasons, events, since }: Tally, now: number, isLast: boolean): AuditNote {
  const data: JsonObject = {
    count,
    since: new Date(since).toISOString(),
    until: new Date(now).toISOString(),
    ...(action !== 'delivery.conflict' && { reasons: Object.fromEntries(reasons) }),
    ...(events.length > 0 && { events }),
    ...(isLast && { lastOfDay: true }),
  };
  return { actor: 'system', action, subject, data };
}
