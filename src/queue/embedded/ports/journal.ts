import type { JsonValue } from '../../../core/json/json-text.ts';
import type { Callback, Callbacks, CalledBack } from '../../callbacks.ts';
import type { Journal, JournalEntry } from '../../journal.ts';
import { callBack, callbackJson } from '../../model/transitions.ts';
import type { StoreParts } from '../store-parts.ts';
import type { EventRow } from '../tables/event-table.ts';

interface StepRow {
  readonly step: string;
  readonly kind: JournalEntry['kind'];
  readonly at: number;
  readonly value: string;
}

/** Steps belong to the event, not to the attempt or the generation: a redrive finds the effects of all before it. */
export function createJournal({ connection, writer, conversations, clock }: StoreParts): Journal {
  const record = connection.query('INSERT OR REPLACE INTO journal VALUES (?, ?, ?, ?, ?, ?)');
  const replay = connection.query<StepRow>(
    'SELECT step, kind, at, value FROM journal WHERE tenant = ? AND event_id = ?',
  );
  return {
    record: (lease, step, { kind, value }, holdMs) =>
      writer.write(() => {
        const now = clock();
        if (!conversations.hold(lease, now + holdMs)) return false;
        record.run(lease.conversation.tenant, lease.eventId, step, kind, now, JSON.stringify(value));
        return true;
      }),
    async replay({ conversation, eventId }) {
      const rows = writer.read(() => replay.all(conversation.tenant, eventId));
      return new Map(rows.map(({ step, kind, at, value }) => [step, { kind, at, value: parse(value) }]));
    },
    now: async () => clock(),
  };
}

const parse = (json: string): JsonValue => JSON.parse(json) as JsonValue;

export function createCallbacks({ connection, writer, events, conversations, due, clock }: StoreParts): Callbacks {
  const recorded = connection.query<{ value: string }>(
    'SELECT value FROM journal WHERE tenant = ? AND event_id = ? AND step = ?',
  );
  const record = connection.query('INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)');

  /** Inside a transaction. */
  function accept(row: EventRow | undefined, callback: Callback): CalledBack {
    if (row === undefined) return { kind: 'not_found' };
    const { step, value } = callback;
    const answer = callBack(row, callback, recorded.get(row.tenant, row.id, step)?.value);
    if (answer.kind !== 'accepted') return answer;
    const now = clock();
    record.run(row.tenant, row.id, step, 'result', now, callbackJson(value));
    // Nobody holds a lease of a conversation whose head waits.
    if (row.state === 'waiting') conversations.free({ tenant: row.tenant, key: row.conversation }, 0, now);
    return answer;
  }

  return {
    async accept(tenant, id, callback) {
      const answer = await writer.write(() => accept(events.get(tenant, id), callback));
      if (answer.kind === 'accepted') due.emit();
      return answer;
    },
  };
}
