import type { ParsedEvent, Read, ReadContent, Reader } from '../../channels/channel.ts';
import { SallyportError } from '../../core/errors.ts';
import type { EventRecord, InboundEvent } from '../../core/event.ts';
import { identifiersOf } from '../../core/identity.ts';
import type { Meter } from '../../core/meter.ts';
import { capRecord, capText, type RecordLimits } from '../../core/text/cap.ts';
import type { Inbox } from '../../queue/inbox.ts';
import type { Scrub } from '../../scrub/scrub.ts';

export type PreparedTask =
  | { readonly kind: 'task'; readonly event: InboundEvent }
  | Exclude<Read, { readonly kind: 'task' }>;

/**
 * What a worker reads is as large as a vendor's answer may be (8 MiB of Graph, 32 MiB of Gmail). 256 Ki characters of one
 * text are beyond what any model reads; scrubbing a mebibyte takes tenths of a second at worst.
 */
const LIMITS: RecordLimits = { textChars: 256 * 1024, recordChars: 1024 * 1024 };

/** Has the channel read what the event points at, and scrubs what it brings before anybody else sees it. */
export async function prepareTask(
  { event, eligibleAt }: EventRecord,
  signal: AbortSignal,
  {
    reader,
    scrub,
    meter,
    inbox,
    prepare,
  }: {
    /** Null for channels whose deliveries hold all there is to know. */
    readonly reader: Reader | null;
    readonly scrub: Scrub;
    readonly meter: Meter;
    readonly inbox: Inbox;
    /** Cleans and seals events; the same step deliveries pass. */
    readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
  },
): Promise<PreparedTask> {
  if (reader === null) return { kind: 'task', event };
  const read = await reader.read(event, { signal, eligibleAt, accept: createAcceptFound({ inbox, prepare }) });
  if (read.kind !== 'task') return read;
  const identifiers = [...identifiersOf(event), ...identifiersOf(read.content)];
  const { value, findings } = scrub(capped(read.content), { identifiers });
  for (const { rule, count } of findings) meter.scrubbed(rule, count);
  return { kind: 'task', event: { ...event, ...value } };
}

/** Ids stay whole. */
const capped = (content: Partial<ReadContent>): Partial<ReadContent> => ({
  ...content,
  ...(content.text === undefined ? {} : { text: capText(content.text, LIMITS.textChars) }),
  ...(content.payload === undefined ? {} : { payload: capRecord(content.payload, LIMITS) }),
});

/** Accepts what a reader or the keeper found at a vendor. @throws SallyportError ERR_QUEUE_FULL, ERR_STORE_UNAVAILABLE */
export const createAcceptFound =
  ({
    inbox,
    prepare,
  }: {
    readonly inbox: Inbox;
    /** Cleans and seals events; the same step deliveries pass. */
    readonly prepare: (events: readonly ParsedEvent[]) => readonly InboundEvent[];
  }) =>
  async (found: readonly ParsedEvent[]): Promise<void> => {
    const outcomes = await inbox.accept(prepare(found));
    if (outcomes.some(({ outcome }) => outcome === 'full' || outcome === 'limited')) {
      throw new SallyportError('ERR_QUEUE_FULL', 'too many events of this tenant are waiting, or came lately');
    }
  };
