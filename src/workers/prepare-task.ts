import type { ParsedEvent, Read, Reader } from '../channels/channel.ts';
import { SallyportError } from '../core/errors.ts';
import type { EventRecord, InboundEvent } from '../core/event.ts';
import type { Meter } from '../core/meter.ts';
import type { Inbox } from '../queue/inbox.ts';
import type { Scrub } from '../scrub/scrub.ts';

export interface PrepareTaskDeps {
  /** Null for channels whose deliveries hold all there is to know. */
  readonly reader: Reader | null;
  readonly inbox: Inbox;
  /** Cleans and seals events that a reader found; the same step deliveries pass. */
  readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
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
  const accept = async (found: readonly ParsedEvent[]): Promise<void> => {
    const outcomes = await deps.inbox.accept(deps.prepare(found));
    if (outcomes.some(({ outcome }) => outcome === 'full')) {
      throw new SallyportError('ERR_QUEUE_FULL', 'too many events of this tenant are waiting');
    }
  };
  const read = await deps.reader.read(event, { signal, eligibleAt, accept });
  if (read.kind !== 'task') return read;
  const { value, findings } = deps.scrub(read.content);
  for (const { rule, count } of findings) deps.meter.scrubbed(rule, count);
  return { kind: 'task', event: { ...event, ...value } };
}
