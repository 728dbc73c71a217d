import type { EventRecord, Run } from '../../core/event.ts';

/** An event as the API shows it; the shape is public. */
export function eventView({ event, state, generation, attempts, deliveries, runs, failure }: EventRecord) {
  return {
    id: event.id,
    tenant: event.tenant,
    channel: event.channel,
    kind: event.kind,
    state,
    generation,
    receivedAt: new Date(event.receivedAt).toISOString(),
    deliveries,
    attempts,
    conversation: event.conversation.name,
    mentioned: event.mentioned,
    runs: runs.map(runView),
    ...(failure === undefined ? {} : { failure }),
  };
}

export type EventView = ReturnType<typeof eventView>;

function runView({ startedAt, finishedAt, outcome, usage, agent, reply, code }: Run) {
  return {
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: finishedAt === undefined ? null : new Date(finishedAt).toISOString(),
    outcome,
    usage,
    ...(agent === undefined ? {} : { agent }),
    ...(reply === undefined ? {} : { reply }),
    ...(code === undefined ? {} : { code }),
  };
}
