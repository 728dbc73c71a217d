import type { JsonValue } from '../../../core/json/json.ts';
import type { Journal, JournalEntry } from '../../journal.ts';
import type { StoreParts } from '../store-parts.ts';

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
