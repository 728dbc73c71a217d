import type { JsonValue } from '../../../core/json/json.ts';
import type { Journal, JournalEntry } from '../../journal.ts';
import type { HeldLease } from '../../lease.ts';
import { unavailable } from '../client/failure.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** Keyed by the event, not by the run: attempts and generations share it. */
export function createJournal(shards: () => Shards): Journal {
  return {
    async record({ conversation, eventId, token }, step, { kind, value }, holdMs) {
      const { keys, run, now } = shards();
      const { tenant, key } = conversation;
      const args = [now(), tenant, key, token, Math.ceil(holdMs), eventId, step, kind, JSON.stringify(value)];
      return (await run(scripts.extend, keys.tagOf(tenant), args)) === 1;
    },
    async replay({ conversation: { tenant }, eventId }: HeldLease) {
      const { keys, client } = shards();
      const stored = await client
        .hgetall(`${keys.tagOf(tenant)}:journal:${tenant}:${eventId}`)
        .catch((error: unknown) => {
          throw unavailable(error);
        });
      return new Map(Object.entries(stored).map(([step, text]) => [step, decodeEntry(text)]));
    },
    async now({ conversation: { tenant } }: HeldLease) {
      const { keys, run, now } = shards();
      return Number(await run(scripts.now, keys.tagOf(tenant), [now()]));
    },
  };
}

/** One step of an event, for who has no lease. */
export async function readStep(
  { keys, client }: Shards,
  tenant: string,
  eventId: string,
  step: string,
): Promise<JournalEntry | undefined> {
  const text = await client.hget(`${keys.tagOf(tenant)}:journal:${tenant}:${eventId}`, step).catch((error: unknown) => {
    throw unavailable(error);
  });
  return text === null ? undefined : decodeEntry(text);
}

/** `<kind> <recorded at> <value as JSON>` */
function decodeEntry(text: string): JournalEntry {
  const [kind = '', at = ''] = text.split(' ', 2);
  const value = JSON.parse(text.slice(kind.length + at.length + 2)) as JsonValue;
  return { kind: kind as JournalEntry['kind'], at: Number(at), value };
}
