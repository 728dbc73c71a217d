import type { Events, Transition } from '../events.ts';
import { createEventList } from './event-list.ts';
import { closeRun, type EventRow, parkedRow, runsOf, toRecord } from './event-row.ts';
import type { StoreParts } from './store-parts.ts';
import type { Turns } from './turns.ts';

export function createEvents(parts: StoreParts, turns: Turns): Events {
  const { writer, events, due, ended } = parts;

  /** Applies `change` to the event in one transaction, then tells who waits for it or for work. */
  async function transition(tenant: string, id: string, change: (row: EventRow) => Transition): Promise<Transition> {
    const answer = await writer.write((): Transition => {
      const row = events.get(tenant, id);
      return row === undefined ? { kind: 'not_found' } : change(row);
    });
    if (answer.kind === 'ok') {
      ended.emit(id);
      due.emit();
    }
    return answer;
  }

  return {
    async get(tenant, id) {
      const row = writer.read(() => events.get(tenant, id));
      return row === undefined ? null : toRecord(row);
    },
    list: createEventList(parts),
    redrive: (tenant, id) => transition(tenant, id, (row) => redrive(row, parts)),
    park: (tenant, id) => transition(tenant, id, (row) => park(row, parts, turns)),
  };
}

function park(row: EventRow, { clock }: StoreParts, turns: Turns): Transition {
  if (row.place === null) return { kind: 'wrong_state', state: row.state };
  const parked = parkedRow(closeRun(row, 'parked', clock()), 'ERR_PARKED_BY_OPERATOR');
  turns.remove(row, parked);
  return { kind: 'ok', record: toRecord(parked) };
}

function redrive(row: EventRow, { counter, events, conversations, clock }: StoreParts): Transition {
  if (row.state !== 'parked') return { kind: 'wrong_state', state: row.state };
  if (runsOf(row).some((run) => run.reply?.state === 'delivered')) return { kind: 'reply_delivered' };
  if (row.failure === 'ERR_AMBIGUOUS_EFFECT') return { kind: 'ambiguous' };
  const now = clock();
  const queued: EventRow = {
    ...row,
    state: 'queued',
    place: counter(),
    generation: row.generation + 1,
    attempts: 0,
    waited_ms: 0,
    eligible_at: now,
    failure: null,
  };
  events.save(queued);
  conversations.wakeIfIdle({ tenant: row.tenant, key: row.conversation }, now);
  return { kind: 'ok', record: toRecord(queued) };
}
