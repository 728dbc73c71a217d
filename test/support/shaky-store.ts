import { SallyportError } from '../../src/core/errors.ts';
import type { EventRecord } from '../../src/core/event.ts';
import type { ConversationRef } from '../../src/queue/lease.ts';
import type { Store } from '../../src/queue/store.ts';
import { TENANT } from './gmail-worker.ts';

export interface Shaking {
  /** In [0, 1). */
  readonly random: () => number;
  /** True while nothing fails. */
  readonly isCalm: () => boolean;
  readonly count: (fault: string) => void;
}

/** The store, which sometimes fails before it does what it is told, and sometimes after. */
export function shakyStore({ random, isCalm, count }: Shaking, store: Store) {
  const ids = new Map<string, ConversationRef>();
  /** Events that have not been seen to end, by conversation. */
  const open = new Map<string, Set<string>>();
  const waiting = new Map<string, ConversationRef>();
  const fail = (what: string): never => {
    count(what);
    throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
  };
  const isFailing = (): boolean => !isCalm() && random() < 0.03;
  const shaky: Store = {
    ...store,
    inbox: {
      accept: async (events) => {
        if (isFailing()) fail('store failed before it accepted');
        const accepted = await store.inbox.accept(events);
        for (const [index, event] of events.entries()) {
          if (accepted[index]?.outcome !== 'accepted') continue;
          const ref = { tenant: event.tenant, key: event.conversation.key };
          ids.set(event.id, ref);
          open.set(ref.key, (open.get(ref.key) ?? new Set()).add(event.id));
          waiting.set(ref.key, ref);
        }
        if (isFailing()) fail('store failed after it accepted');
        return accepted;
      },
    },
    records: {
      ...store.records,
      compareAndSet: async (...args) => {
        if (isFailing()) fail('store failed before the cursor moved');
        return store.records.compareAndSet(...args);
      },
    },
  };
  const recordOf = async (id: string): Promise<EventRecord> => {
    const record = await store.events.get(TENANT, id);
    if (record === null) throw new Error('an accepted event has no record');
    return record;
  };
  return {
    store: shaky,
    records: () => Promise.all([...ids.keys()].map(recordOf)),
    wake: (ref: ConversationRef) => void waiting.set(ref.key, ref),
    reopen: (id: string, ref: ConversationRef) => {
      open.get(ref.key)?.add(id);
      waiting.set(ref.key, ref);
    },
    due: (): ConversationRef[] => {
      const refs = [...waiting.values()];
      waiting.clear();
      return refs;
    },
    isOpen: async ({ key }: ConversationRef): Promise<boolean> => {
      for (const id of open.get(key) ?? []) {
        const { state } = await recordOf(id);
        if (state === 'queued' || state === 'waiting' || state === 'running') return true;
        open.get(key)?.delete(id);
      }
      return false;
    },
  };
}
