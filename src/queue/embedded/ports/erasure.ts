import { setTimeout as sleep } from 'node:timers/promises';
import { SallyportError } from '../../../core/errors.ts';
import type { Author, InboundEvent } from '../../../core/event.ts';
import type { JsonValue } from '../../../core/json/json-text.ts';
import type { ErasedPage, Erasure, Person } from '../../erasure.ts';
import { ASKER_STEP, TURN_STEP } from '../../journal.ts';
import { erasedEvent, erasedProgress, isOf, isUnfinished } from '../../model/erase.ts';
import type { Progress } from '../../model/transitions.ts';
import { createTransition, type Turns } from '../run/turns.ts';
import type { StoreParts } from '../store-parts.ts';

/** Events of one call: about 5 ms of reading, during which the process does nothing else. */
const CHUNK = 100;

/** Ids begin with their time, so the oldest come first. */
const CURSOR = /^ev_[0-9A-Z]{26}$/;

/** How often the log is tried to be emptied while others read it, and the pause in between, in ms. */
const FLUSHES = 40;
const FLUSH_PAUSE_MS = 25;

interface TraceRow {
  readonly id: string;
  /** JSON, as the others. */
  readonly author: string;
  readonly requester: string | null;
  readonly asker: string | null;
  readonly turn: string | null;
}

export function createErasure(parts: StoreParts, turns: Turns): Erasure {
  const { connection, writer, events } = parts;
  const change = createTransition(parts, turns);
  const step = (name: string): string =>
    `(SELECT value FROM journal WHERE journal.tenant = events.tenant AND event_id = id AND step = '${name}')`;
  const traces = connection.query<TraceRow>(
    `SELECT id, json_extract(body, '$.author') AS author, json_extract(review, '$.requester') AS requester,
       ${step(ASKER_STEP)} AS asker, ${step(TURN_STEP)} AS turn
     FROM events WHERE tenant = ? AND channel = ? AND id > ? ORDER BY id LIMIT ${CHUNK}`,
  );
  const forgetJournal = connection.query('DELETE FROM journal WHERE tenant = ? AND event_id = ?');

  /** Inside a transaction. */
  function wipe(tenant: string, id: string, user: string, event: Progress, now: number): Progress {
    const row = events.get(tenant, id);
    if (row !== undefined) events.saveBody(row, erasedEvent(JSON.parse(row.body) as InboundEvent, user, now));
    forgetJournal.run(tenant, id);
    return erasedProgress(event, now);
  }

  /** True when the event had not ended. */
  async function eraseOne({ tenant, user }: Person, id: string): Promise<boolean | null> {
    let isCancelled = false;
    const { kind } = await change(tenant, id, (event, now) => {
      isCancelled = isUnfinished(event);
      return { kind: 'ok', event: wipe(tenant, id, user, event, now) };
    });
    return kind === 'ok' ? isCancelled : null;
  }

  return {
    async erase(person, cursor): Promise<ErasedPage> {
      if (cursor !== undefined && !CURSOR.test(cursor)) {
        throw new SallyportError('ERR_INVALID_REQUEST', 'the cursor is not one that a page gave');
      }
      const rows = writer.read(() => traces.all(person.tenant, person.channel, cursor ?? ''));
      const theirs = rows.filter((row) =>
        isOf(person, {
          event: { channel: person.channel, author: JSON.parse(row.author) as Author },
          requester: row.requester === null ? undefined : (JSON.parse(row.requester) as Author),
          asker: parsed(row.asker),
          turn: parsed(row.turn),
        }),
      );
      const erased = await Promise.all(theirs.map(({ id }) => eraseOne(person, id)));
      const done = erased.filter((one) => one !== null);
      const last = rows.length === CHUNK ? rows.at(-1) : undefined;
      return {
        events: done.length,
        cancelled: done.filter((isCancelled) => isCancelled).length,
        ...(last === undefined ? {} : { cursor: last.id }),
      };
    },
    async flush() {
      // The file itself is overwritten where something is deleted; older pages of it stay in the log until it is emptied.
      for (let tries = 0; tries < FLUSHES; tries += 1) {
        if (writer.read(() => connection.pragma('wal_checkpoint(TRUNCATE)')) === 0) return true;
        await sleep(FLUSH_PAUSE_MS);
      }
      return false;
    },
  };
}

const parsed = (json: string | null): JsonValue | undefined =>
  json === null ? undefined : (JSON.parse(json) as JsonValue);
