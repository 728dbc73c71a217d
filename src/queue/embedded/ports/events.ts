import type { Events, Transition } from '../../events.ts';
import { createTransition, enqueue } from '../run/transition.ts';
import type { Turns } from '../run/turns.ts';
import type { StoreParts } from '../store-parts.ts';
import { createEventList } from '../tables/event-list.ts';
import { closeRun, type EventRow, parkedRow, runsOf, toRecord } from '../tables/event-row.ts';
import { createResolve } from './resolve.ts';

export function createEvents(parts: StoreParts, turns: Turns): Events {
  const { writer, events } = parts;
  const transition = createTransition(parts);
  const resolve = createResolve(parts);

  return {
    async get(tenant, id) {
      const row = writer.read(() => events.get(tenant, id));
      return row === undefined ? null : toRecord(row);
    },
    list: createEventList(parts),
    redrive: (tenant, id) => transition(tenant, id, (row) => redrive(row, parts)),
    resolve: (tenant, id, effect, outcome) => transition(tenant, id, (row) => resolve(row, effect, outcome)),
    park: (tenant, id) => transition(tenant, id, (row) => park(row, parts, turns)),
  };
}

function park(row: EventRow, { clock }: StoreParts, turns: Turns): Transition {
  if (row.place === null) return { kind: 'wrong_state', state: row.state };
  const parked = parkedRow(closeRun(row, 'parked', clock()), 'ERR_PARKED_BY_OPERATOR');
  turns.remove(row, parked);
  return { kind: 'ok', record: toRecord(parked) };
}

function redrive(row: EventRow, parts: StoreParts): Transition {
  if (row.state !== 'parked') return { kind: 'wrong_state', state: row.state };
  if (runsOf(row).some((run) => run.reply?.state === 'delivered')) return { kind: 'reply_delivered' };
  if (row.failure === 'ERR_AMBIGUOUS_EFFECT') return { kind: 'ambiguous' };
  const queued = enqueue({ ...row, generation: row.generation + 1, failure: null }, parts);
  return { kind: 'ok', record: toRecord(queued) };
}
