import type { Callback, Callbacks, CalledBack } from '../../callbacks.ts';
import type { StoreParts } from '../store-parts.ts';
import type { EventRow } from '../tables/event-row.ts';

export function createCallbacks({ connection, writer, events, conversations, due, clock }: StoreParts): Callbacks {
  const recorded = connection.query<{ value: string }>(
    'SELECT value FROM journal WHERE tenant = ? AND event_id = ? AND step = ?',
  );
  const record = connection.query('INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?)');

  /** Inside a transaction. */
  function callBack(row: EventRow | undefined, { generation, step, value }: Callback): CalledBack {
    if (row === undefined) return { kind: 'not_found' };
    const json = JSON.stringify(value);
    const earlier = recorded.get(row.tenant, row.id, step);
    if (earlier !== undefined) return { kind: earlier.value === json ? 'duplicate' : 'conflict' };
    if (row.place === null || row.generation !== generation) return { kind: 'over', state: row.state };
    const now = clock();
    record.run(row.tenant, row.id, step, 'result', now, json);
    // Nobody holds a lease of a conversation whose head waits.
    if (row.state === 'waiting') conversations.free({ tenant: row.tenant, key: row.conversation }, 0, now);
    return { kind: 'accepted' };
  }

  return {
    async accept(tenant, id, callback) {
      const answer = await writer.write(() => callBack(events.get(tenant, id), callback));
      if (answer.kind === 'accepted') due.emit();
      return answer;
    },
  };
}
