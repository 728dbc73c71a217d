import type {
  Answer,
  Channel,
  Delivery,
  DeliveryHead,
  DeliveryOutcome,
  Received,
  Taken,
} from '../../channels/channel.ts';
import { SallyportError } from '../../core/errors.ts';
import type { EventRecord, InboundEvent } from '../../core/event.ts';
import type { Meter } from '../../core/meter.ts';
import { inTrace, noSpan, type Span } from '../../core/tracer.ts';
import type { Accepted, Inbox } from '../../queue/inbox.ts';
import type { Jobs } from '../../queue/jobs.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Sealer } from '../../scrub/seal.ts';
import { prepare } from './prepare.ts';

export interface ReceiveDeps {
  readonly inbox: Inbox;
  readonly scrub: Scrub;
  readonly sealer: Sealer;
  readonly meter: Meter;
  /** Whether anybody answers an event; absent: somebody answers every one. */
  readonly isRelevant?: ((event: InboundEvent) => boolean) | undefined;
  /** Waits for an event's end, for senders that want the reply in the response. */
  readonly awaitResult: Jobs['awaitResult'];
  /** Where there is an origin that does what this gate cannot. Absent: this one does everything. */
  readonly passOn?: PassOn;
}

/** How the edge hands deliveries to the origin, whose own channel then verifies and accepts them. */
export interface PassOn {
  /** Bodies of more bytes are passed on. */
  readonly over: number;
  /** The origin's answer; null when it is away. `waitMs`: how long the sender waits. Absent: as long as for a receipt. */
  readonly send: (delivery: Delivery, waitMs?: number) => Promise<Answer | null>;
}

/** What became of each event or refused item of a delivery. */
export interface ItemOutcome {
  readonly outcome: DeliveryOutcome;
  /** Why it was refused; '' for what reached the inbox. */
  readonly reason: string;
  readonly eventId: string | undefined;
  /** It failed its own proof. */
  readonly isForged?: boolean | undefined;
}

export interface Receipt {
  /** Whose the events are, where the channel found another tenant than the one of the route. */
  readonly tenant: string | undefined;
  /** Senders that are who they say and that no tenant is configured for, by the vendor's ids. */
  readonly unmapped: readonly string[];
  readonly items: readonly ItemOutcome[];
  /** The channel's own answer; absent where `Channel.acknowledge` gives it. */
  readonly answer: Answer | undefined;
  /** Answered without any proof: a handshake, or a delivery without an item that has one. */
  readonly isUnproven: boolean;
}

/**
 * The journey of a delivery through both doors. It returns only when every event it reports is durable.
 * @throws SallyportError with the code `respond` answers; nothing is half done then.
 */
export async function receive(
  head: DeliveryHead,
  readBody: (limit: number) => Promise<Uint8Array>,
  channel: Channel,
  deps: ReceiveDeps,
  span: Span = noSpan,
): Promise<Receipt> {
  const proof = await channel.authenticate?.(head);
  const { tenant, url, headers, receivedAt } = head;
  const body = await readBody(channel.bodyLimit);
  const delivery: Delivery = { tenant, url, headers, receivedAt, body, proof };
  const { passOn } = deps;
  const isLarge = passOn !== undefined && body.length > passOn.over;
  // Where each item has a proof of its own, proving many is what the origin is asked to do.
  if (isLarge && channel.isProofInBody === true) return forwarded(await originAnswer(passOn, delivery));
  const received = await channel.receive(delivery);
  if (received.retry !== undefined) deps.meter.senderRetried(channel.name, received.retry);
  if (passOn !== undefined && received.events.length > 0) {
    if (received.waitMs !== undefined) return awaitOrigin(passOn, delivery, received);
    if (isLarge) return forwarded(await originAnswer(passOn, delivery));
  }
  const { events, refused } = prepare(received, deps);
  const accept = (part: Span): Promise<Accepted[]> => deps.inbox.accept(inTrace(events, part));
  const accepted = events.length === 0 ? [] : await span.part('accept', { items: events.length }, accept);
  if (accepted.some(({ outcome }) => outcome === 'full')) {
    // What the batch did get in is a duplicate when the sender comes back.
    throw new SallyportError('ERR_QUEUE_FULL', 'too many events of this tenant are waiting');
  }
  const retryAfterMs = Math.max(0, ...accepted.map((one) => (one.outcome === 'limited' ? one.retryAfterMs : 0)));
  if (retryAfterMs > 0) {
    throw new SallyportError('ERR_CHANNEL_RATE', 'too many events of this tenant came over this channel', {
      retryAfterMs,
    });
  }
  const items: ItemOutcome[] = [];
  for (const one of accepted) items.push({ outcome: one.outcome as DeliveryOutcome, reason: '', eventId: idOf(one) });
  for (const { outcome, reason, isForged: isFalse } of refused) {
    items.push({ outcome, reason, eventId: undefined, isForged: isFalse });
  }
  const { answer, respond } = received;
  if (answer !== undefined && items.length === 0)
    items.push({ outcome: answer.outcome, reason: '', eventId: undefined });
  const isForged = refused.length > 0 && refused.length === items.length && refused.every((one) => one.isForged);
  const isEmpty = items.length === 0 && channel.isProofInBody === true;
  const isUnproven = isForged || isEmpty || answer?.outcome === 'handshake';
  const unmapped = refused.flatMap((one) => one.unmapped ?? []);
  const receipt = { items, isUnproven, unmapped, tenant: events[0]?.tenant };
  if (respond === undefined || accepted.length === 0) return { ...receipt, answer };
  const resultOf = async (one: Accepted, timeoutMs: number): Promise<EventRecord | null> => {
    const id = idOf(one);
    // A conflict never runs: waiting for it would only keep its sender.
    return id === undefined || one.outcome === 'conflict' ? null : deps.awaitResult(tenant, id, timeoutMs);
  };
  const results = (timeoutMs: number) => Promise.all(accepted.map((one) => resultOf(one, timeoutMs)));
  const taken = accepted.filter((one): one is Taken => 'id' in one);
  return { ...receipt, answer: await respond(results, taken) };
}

/** @throws SallyportError ERR_ORIGIN_UNAVAILABLE */
async function originAnswer(passOn: PassOn, delivery: Delivery): Promise<Answer> {
  const answer = await passOn.send(delivery);
  if (answer !== null) return answer;
  throw new SallyportError(
    'ERR_ORIGIN_UNAVAILABLE',
    'the origin does not answer, and only it can accept this delivery',
  );
}

/** A sender that waits for its reply gets the origin's answer, or one that asks to come back: nothing is kept here. */
async function awaitOrigin(
  passOn: PassOn,
  delivery: Delivery,
  { respond, waitMs, events }: Received,
): Promise<Receipt> {
  const answer = await passOn.send(delivery, waitMs);
  if (answer !== null) return forwarded(answer);
  const polite = await respond?.(async () => events.map(() => null), []);
  return { ...forwarded(polite), items: [{ outcome: 'unavailable', reason: '', eventId: undefined }] };
}

const forwarded = (answer: Answer | undefined): Receipt => ({
  tenant: undefined,
  unmapped: [],
  items: [{ outcome: 'forwarded', reason: '', eventId: undefined }],
  answer,
  isUnproven: false,
});

const idOf = (accepted: Accepted): string | undefined => ('id' in accepted ? accepted.id : undefined);
