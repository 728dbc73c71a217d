import type { EventState } from '../../../core/event.ts';
import type { Callbacks, CalledBack } from '../../callbacks.ts';
import type { Events } from '../../events.ts';
import { callbackJson } from '../../model/transitions.ts';
import { unavailable, withDeadline } from '../client/failure.ts';
import { runReplicated } from '../client/replicas.ts';
import { scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** As for the inbox: whoever calls back is answered within 2 s, whatever hangs. */
const DEADLINE_MS = 1_800;

export interface CallbacksDeps {
  readonly shards: Shards;
  readonly events: Events;
  readonly minReplicas: number;
}

type Reply = readonly [kind: 'accepted' | 'duplicate' | 'conflict' | ''] | readonly [kind: 'over', state: EventState];

export function createCallbacks({ shards, events, minReplicas }: CallbacksDeps): Callbacks {
  const { keys, client, run, now } = shards;
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
        throw unavailable(error);
      });
      return calledBack(reply as Reply);
    },
  };
}

function calledBack(reply: Reply): CalledBack {
  if (reply[0] === 'over') return { kind: 'over', state: reply[1] };
  return { kind: reply[0] === '' ? 'not_found' : reply[0] };
}
