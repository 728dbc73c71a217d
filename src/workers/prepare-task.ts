import type { Read, Reader } from '../channels/channel.ts';
import type { EventRecord, InboundEvent } from '../core/event.ts';
import type { Meter } from '../core/meter.ts';
import type { Scrub } from '../scrub/scrub.ts';
import { type AcceptFoundDeps, createAcceptFound } from './accept-found.ts';

export interface PrepareTaskDeps extends AcceptFoundDeps {
  /** Null for channels whose deliveries hold all there is to know. */
  readonly reader: Reader | null;
  readonly scrub: Scrub;
  readonly meter: Meter;
}

export type PreparedTask =
  | { readonly kind: 'task'; readonly event: InboundEvent }
  | Exclude<Read, { readonly kind: 'task' }>;

/** Has the channel read what the event points at, and scrubs what it brings before anybody else sees it. */
export async function prepareTask(
  { event, eligibleAt }: EventRecord,
  signal: AbortSignal,
  deps: PrepareTaskDeps,
): Promise<PreparedTask> {
  if (deps.reader === null) return { kind: 'task', event };
  const read = await deps.reader.read(event, { signal, eligibleAt, accept: createAcceptFound(deps) });
  if (read.kind !== 'task') return read;
  const { value, findings } = deps.scrub(read.content);
  for (const { rule, count } of findings) deps.meter.scrubbed(rule, count);
  return { kind: 'task', event: { ...event, ...value } };
}
