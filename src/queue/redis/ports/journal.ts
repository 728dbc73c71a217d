import type { EventState } from '../../../core/event.ts';
import type { JsonValue } from '../../../core/json/json-text.ts';
import type { Callbacks, CalledBack } from '../../callbacks.ts';
import type { Events } from '../../events.ts';
import type { Journal, JournalEntry } from '../../journal.ts';
import type { HeldLease } from '../../lease.ts';
import { callbackJson } from '../../model/transitions.ts';
import { withDeadline } from '../client/connection.ts';
import { type ReplicatedScripts, runReplicated } from '../client/replicas.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/**
 * Keyed by the event, not by the run: attempts and generations share it. An intent counts once `minReplicas` have it: a
 * primary that dies between the intent and its effect must not leave a replica in its place that knows of neither.
 */
export function createJournal(
  shards: () => Shards,
  /** Absent: no replica has to have an intent. */
  replicated?: () => ReplicatedScripts,
): Journal {
  return {
    async record({ conversation, eventId, token }, step, { kind, value }, holdMs) {
      const { keys, run, now, failed } = shards();
      const { tenant, key } = conversation;
      const args = [now(), tenant, key, token, Math.ceil(holdMs), eventId, step, kind, JSON.stringify(value)];
      const tag = keys.tagOf(tenant);
      if (kind !== 'intent' || replicated === undefined) return (await run(scripts.extend, tag, args)) === 1;
      const reply = await replicated()
        .run(scripts.extend, tag, args)
        .catch((error: unknown) => {
          throw failed(error);
        });
      return reply === 1;
    },
    async replay({ conversation: { tenant }, eventId }: HeldLease) {
      const { keys, client, failed } = shards();
      const stored = await client
        .hgetall(`${keys.tagOf(tenant)}:journal:${tenant}:${eventId}`)
        .catch((error: unknown) => {
          throw failed(error);
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
  { keys, client, failed }: Shards,
  tenant: string,
  eventId: string,
  step: string,
): Promise<JournalEntry | undefined> {
  const text = await client.hget(`${keys.tagOf(tenant)}:journal:${tenant}:${eventId}`, step).catch((error: unknown) => {
    throw failed(error);
  });
  return text === null ? undefined : decodeEntry(text);
}

/** `<kind> <recorded at> <value as JSON>` */
function decodeEntry(text: string): JournalEntry {
  const [kind = '', at = ''] = text.split(' ', 2);
  const value = JSON.parse(text.slice(kind.length + at.length + 2)) as JsonValue;
  return { kind: kind as JournalEntry['kind'], at: Number(at), value };
}

/** As for the inbox: whoever calls back is answered within 2 s, whatever hangs. */
const DEADLINE_MS = 1_800;

type Reply = readonly [kind: 'accepted' | 'duplicate' | 'conflict' | ''] | readonly [kind: 'over', state: EventState];

export function createCallbacks({
  shards,
  events,
  minReplicas,
}: {
  readonly shards: Shards;
  readonly events: Events;
  readonly minReplicas: number;
}): Callbacks {
  const { keys, client, run, now, failed } = shards;
  return {
    async accept(tenant, id, { generation, step, value }) {
      // Reading the record first proves that it is the tenant's, and tells its conversation; neither ever changes.
      const record = await events.get(tenant, id);
      if (record === null) return { kind: 'not_found' };
      const { key } = record.event.conversation;
      const args = [now(), tenant, key, id, generation, step, callbackJson(value)];
      const tag = keys.tagOf(tenant);
      const work =
        minReplicas > 0
          ? runReplicated(client, scripts.callBack, tag, args, minReplicas)
          : run(scripts.callBack, tag, args);
      const reply = await withDeadline(work, DEADLINE_MS).catch((error: unknown) => {
        throw failed(error);
      });
      return calledBack(reply as Reply);
    },
  };
}

function calledBack(reply: Reply): CalledBack {
  if (reply[0] === 'over') return { kind: 'over', state: reply[1] };
  return { kind: reply[0] === '' ? 'not_found' : reply[0] };
}
