import type { InboundEvent } from '../../core/event.ts';
import { identifiersOf } from '../../core/identity.ts';
import type { Meter } from '../../core/meter.ts';
import { MAX_RELAY_COPIES, type RelayOutcome, type RelayReason, type RelayResult } from '../../core/relay.ts';
import { inTrace, type Span } from '../../core/tracer.ts';
import { type Accepted, type Inbox, ONE_STEP } from '../../queue/inbox.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import { type Envelope, judge, type Sound } from './batch.ts';

export interface AcceptDeps {
  readonly inbox: Inbox;
  readonly scrub: Scrub;
  readonly meter: Meter;
  /** Whether vendors deliver over a channel to a tenant. */
  readonly isConfigured: (tenant: string, channel: string) => boolean;
  /** Whether anybody answers an event; absent: somebody answers every one. */
  readonly isRelevant?: ((event: InboundEvent) => boolean) | undefined;
}

interface Outcome {
  readonly results: readonly RelayResult[];
  /** Milliseconds until what is `full` should be sent again; 0 when nothing says more than the usual. */
  readonly retryAfterMs: number;
}

/**
 * Judges the events of a batch one by one and accepts the good ones in their order. It returns only when every event that
 * it reports as taken over is durable.
 * @throws SallyportError ERR_STORE_UNAVAILABLE: what was accepted by then is `accepted` again when it is sent again
 */
export async function acceptBatch(
  { tenant, events }: Envelope,
  now: number,
  deps: AcceptDeps,
  span: Span,
): Promise<Outcome> {
  const results = new Array<RelayResult>(events.length);
  const sound: Placed[] = [];
  const ids = new Set<string>();
  const settle = (at: number, channel: string, id: string, outcome: RelayOutcome, reason?: RelayReason): void => {
    deps.meter.delivery(channel, outcome, reason ?? (outcome === 'ignored' ? 'no_agent' : ''));
    results[at] = { id, outcome, ...(reason !== undefined && { reason }) };
  };

  for (const [at, relayed] of events.entries()) {
    const judged = judge(relayed, tenant, now, deps.isConfigured);
    if (judged.kind === 'rejected') {
      // A channel that nobody configured could have any name.
      settle(at, RELAY, judged.id, 'rejected', judged.reason);
      continue;
    }
    const { id, channel } = judged.event;
    const event = clean(judged.event, deps);
    if (event === null) settle(at, RELAY, id, 'rejected', 'secret_in_id');
    // Two happenings under one id would be one record.
    else if (ids.has(id)) settle(at, RELAY, id, 'rejected', 'malformed');
    else if (!(deps.isRelevant?.(event) ?? true)) settle(at, channel, id, 'ignored');
    else sound.push({ at, event, deliveries: judged.deliveries });
    ids.add(id);
  }

  // Later ones must not overtake what found no room, although there may be room again by now.
  let isFull = false;
  let retryAfterMs = 0;
  const limited = new Set<string>();
  for (const step of stepsOf(sound)) {
    const open = step.filter(({ event }) => !isFull && !limited.has(event.channel));
    const taken = open.flatMap(({ copies }) => copies);
    const accept = (part: Span): Promise<Accepted[]> => deps.inbox.accept(inTrace(taken, part));
    const accepted = taken.length === 0 ? [] : await span.part('accept', { items: taken.length }, accept);
    let next = 0;
    for (const item of step) {
      let one: Accepted = { outcome: 'full' };
      if (open.includes(item)) {
        one = accepted[next] ?? one;
        next += item.copies.length;
      }
      const { id, channel } = item.event;
      if (one.outcome === 'full') isFull ||= open.includes(item);
      if (one.outcome === 'limited') {
        retryAfterMs = Math.max(retryAfterMs, one.retryAfterMs);
        limited.add(channel);
      }
      settle(item.at, channel, id, one.outcome === 'limited' ? 'full' : one.outcome);
    }
  }
  return { results, retryAfterMs };
}

/** What stands for the channel in metrics and audit where an event's own cannot. */
export const RELAY = 'relay';

interface Placed extends Sound {
  /** Its place in the batch. */
  readonly at: number;
}

/**
 * Scrubs an event although the edge has: both work by the rules of their own release, and the newer ones must not be left
 * out for what comes by way of the edge. Scrubbing what is clean changes nothing. Null when a string by which the event is
 * routed, and which is kept as it is, is a secret.
 */
function clean(event: InboundEvent, { scrub, meter }: AcceptDeps): InboundEvent | null {
  const { author, destination, conversation } = event;
  // A conversation's name is made of ids: together, two of them could look like something that neither is.
  const routing = [...identifiersOf({ author, destination }), ...conversation.name.split(':')];
  if (scrub(routing).findings.length > 0) return null;
  const identifiers = [...routing, conversation.name];
  const { value, findings } = scrub({ text: event.text, payload: event.payload }, { identifiers });
  for (const { rule, count } of findings) meter.scrubbed(rule, count);
  return findings.length === 0 ? event : { ...event, ...value };
}

interface Item extends Placed {
  /** The event, and behind it copies of it for its further deliveries, which the inbox counts as duplicates. */
  readonly copies: readonly InboundEvent[];
}

/** Cuts a batch into calls that the inbox takes as one step each. An event and its copies stay together. */
function stepsOf(sound: readonly Placed[]): readonly (readonly Item[])[] {
  const steps: Item[][] = [];
  let step: Item[] = [];
  let count = 0;
  let size = 0;
  for (const placed of sound) {
    const length = JSON.stringify(placed.event).length;
    const room = Math.floor(ONE_STEP.size / length) - 1;
    const more = Math.max(0, Math.min(placed.deliveries - 1, MAX_RELAY_COPIES, room));
    const copies = [placed.event, ...Array.from({ length: more }, (_, at) => copyOf(placed.event, at + 1))];
    if (step.length > 0 && (count + copies.length > ONE_STEP.events || size + length * copies.length > ONE_STEP.size)) {
      steps.push(step);
      step = [];
      count = 0;
      size = 0;
    }
    step.push({ ...placed, copies });
    count += copies.length;
    size += length * copies.length;
  }
  if (step.length > 0) steps.push(step);
  return steps;
}

/** Crockford's alphabet, of which ids are made. */
const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The same event under another id, which hangs on the first: the last two characters count on, of 1,024. */
function copyOf(event: InboundEvent, number: number): InboundEvent {
  const [high = '', low = ''] = event.id.slice(-2);
  const value = (BASE32.indexOf(high) * 32 + BASE32.indexOf(low) + number) % 1024;
  return { ...event, id: `${event.id.slice(0, -2)}${BASE32[value >> 5]}${BASE32[value & 31]}` };
}
