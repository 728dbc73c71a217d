import { SallyportError } from '../../../core/errors.ts';
import { type EventRecord, eventStates } from '../../../core/event.ts';
import { type ErasedPage, type Erasure, foldedId, type Person } from '../../erasure.ts';
import { ASKER_STEP, TURN_STEP } from '../../journal.ts';
import { erasedEvent, erasedProgress, isOf, isUnfinished } from '../../model/erase.ts';
import type { Progress } from '../../model/transitions.ts';
import { retentionOf, type StoreLimits } from '../../store.ts';
import { type ScriptArgument, scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';
import { readStep } from './journal.ts';
import { decodeRecord } from './record.ts';

/** Looked at in one call of Redis: about a millisecond. */
const LOOK = { events: 100, bytes: 1_048_576 } as const;

/** Of one event, which its worker may change meanwhile. */
const MAX_TRIES = 20;

export function createErasure(shards: Shards, limits: StoreLimits): Erasure {
  const { keys, client, run, now, failed } = shards;

  async function readRaw(tag: string, id: string): Promise<Readonly<Record<string, string>>> {
    return client.hgetall(`${tag}:event:${id}`).catch((error: unknown) => {
      throw failed(error);
    });
  }

  /** Null when it is not, or no longer, the person's; otherwise whether it had not ended. */
  async function eraseOne(person: Person, id: string): Promise<boolean | null> {
    const { tenant, user } = person;
    const tag = keys.tagOf(tenant);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const raw = await readRaw(tag, id);
      const record = decodeRecord(Object.entries(raw).flat());
      if (record === null || record.event.tenant !== tenant) return null;
      const [asker, turn] = await Promise.all(
        [ASKER_STEP, TURN_STEP].map((step) => readStep(shards, tenant, id, step)),
      );
      const { event, review } = record;
      if (!isOf(person, { event, requester: review?.requester, asker: asker?.value, turn: turn?.value })) return null;

      const at = Number(await run(scripts.now, tag, [now()]));
      const left = erasedProgress(progressOf(record), at);
      const { runs = '0', [`run${runs}`]: lastRun = '', review: held = '' } = raw;
      const args: ScriptArgument[] = [
        ...[now(), tenant, event.conversation.key, id, retentionOf(limits, tenant)],
        ...[record.state, runs, lastRun, held],
        ...[left.state, left.failure ?? '', JSON.stringify(erasedEvent(event, user, at))],
        ...left.runs.map((one) => JSON.stringify(one)),
      ];
      const answer = (await run(scripts.erase, tag, args)) as '' | 'ok' | 'changed';
      if (answer !== 'changed') return answer === '' ? null : isUnfinished(record);
    }
    throw new SallyportError('ERR_STORE_UNAVAILABLE', 'an event changes faster than it can be erased');
  }

  return {
    async erase(person, cursor = '0'): Promise<ErasedPage> {
      const { tenant, user } = person;
      if (!/^(0|[1-9]\d{0,15})$/.test(cursor)) {
        throw new SallyportError('ERR_INVALID_REQUEST', 'the cursor is not one that a page gave');
      }
      const id = foldedId(user);
      const needle = [JSON.stringify(id), user.includes('@') ? '1' : ''];
      const args = [tenant, cursor, LOOK.events, LOOK.bytes, ...needle, ...eventStates];
      const [last, more, ...found] = (await run(scripts.eraseFind, keys.tagOf(tenant), args)) as [
        string,
        number,
        ...string[],
      ];
      let [events, cancelled] = [0, 0];
      for (const one of found) {
        const isCancelled = await eraseOne(person, one);
        if (isCancelled !== null) events += 1;
        if (isCancelled) cancelled += 1;
      }
      return { events, cancelled, ...(more === 1 ? { cursor: last } : {}) };
    },
    // Its append-only file is its own affair, and a managed Redis allows no command about it.
    flush: async () => false,
  };
}

const progressOf = ({ state, generation, attempts, eligibleAt, runs, failure, review }: EventRecord): Progress => ({
  state,
  generation,
  attempts,
  eligibleAt,
  // Of no importance to what is left.
  waitedMs: 0,
  runs,
  failure: failure?.code ?? null,
  review: review ?? null,
});
