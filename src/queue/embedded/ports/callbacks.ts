import type { Callback, Callbacks, CalledBack } from '../../callbacks.ts';
import { callBack, callbackJson } from '../../model/transitions.ts';
import type { StoreParts } from '../store-parts.ts';
import type { EventRow } from '../tables/event-row.ts';

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
