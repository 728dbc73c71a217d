import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';
import type { InboundEvent } from '../../core/event.ts';
import { decodeText, type JsonObject, type JsonValue, parseUniqueJson } from '../../core/json/json-text.ts';
import { MAX_RELAY_EVENTS, RELAY_TOLERANCE_SECONDS, type RelayReason, relayEpochStart } from '../../core/relay.ts';
import { validated } from '../../core/validate.ts';

/** A batch whose events have not been looked at: one that is wrong must not harm its neighbours. */
export interface Envelope {
  readonly tenant: string;
  readonly shard: string;
  readonly epoch: string;
  readonly attempt: number;
  readonly events: readonly unknown[];
}

/** Levels of a batch around an event's payload, and a channel's own around what a sender wrote, with room. */
const EXTRA_DEPTH = 16;

/** Digits after the tenant: who has the key must not be able to make records without end. */
const SHARD = /^[a-z0-9][a-z0-9-]{0,62}\/(?:0|[1-9]\d{0,3})$/;

const envelopeSchema = z.object({
  v: z.literal(1),
  tenant: z.string(),
  shard: z.string().regex(SHARD),
  epoch: z.string(),
  attempt: z.int().min(1),
  events: z.array(z.unknown()).min(1).max(MAX_RELAY_EVENTS),
});

/**
 * Members that this release does not know are ignored.
 * @throws SallyportError ERR_BODY_UNPARSABLE, ERR_INVALID_REQUEST
 */
export function readEnvelope(body: Uint8Array, now: number): Envelope {
  const envelope = validated(parseUniqueJson(decodeText(body), EXTRA_DEPTH), envelopeSchema);
  const { tenant, shard, epoch } = envelope;
  if (!shard.startsWith(`${tenant}/`)) {
    throw new SallyportError('ERR_INVALID_REQUEST', 'shard: belongs to another tenant');
  }
  const start = relayEpochStart(epoch);
  // An epoch of the far future would refuse all that follow it.
  if (start === null || start > now + RELAY_TOLERANCE_SECONDS * 1000) {
    throw new SallyportError('ERR_INVALID_REQUEST', 'epoch: is not valid');
  }
  return envelope;
}

/** 22 characters of base64url, as `core/identity` makes them. */
const digest = z.string().regex(/^[\w-]{22}$/);

/** What comes from JSON is JSON. */
const json = z.custom<JsonValue>((value) => value !== undefined);
const jsonObject = z.record(z.string(), json) as z.ZodType<JsonObject>;

/** Characters of a name or an id; those of vendors have some hundred at most. */
const MAX_NAME = 4096;

/**
 * An event as it is stored. What becomes part of a key, a label or a line of a script has its exact form; what no release
 * of ours writes is left out.
 */
const eventSchema = z.object({
  v: z.literal(1),
  id: z.string().regex(/^ev_[0-9A-HJKMNP-TV-Z]{26}$/),
  tenant: z.string(),
  channel: z.string(),
  kind: z.string().max(MAX_NAME),
  identity: z.object({ key: digest, fingerprint: digest }),
  windowMs: z.int().min(1),
  seenUntil: z.literal('start').optional(),
  conversation: z.object({ name: z.string().max(MAX_NAME), key: digest }),
  receivedAt: z.int().min(0),
  mentioned: z.boolean(),
  author: z.object({ id: z.string().max(MAX_NAME), kind: z.enum(['user', 'app', 'unknown']) }),
  text: z.string(),
  destination: jsonObject,
  payload: json,
  sealed: z.record(z.string().regex(/^[\w-]{1,64}$/), z.string()),
});

const relayedSchema = z.object({
  acceptedAt: z.int().min(0),
  deliveries: z.int().min(1),
  event: eventSchema,
});

/** An event of a batch that may be accepted. */
export interface Sound {
  readonly event: InboundEvent;
  readonly deliveries: number;
}

export type Judged =
  | ({ readonly kind: 'sound' } & Sound)
  | { readonly kind: 'rejected'; readonly id: string; readonly reason: RelayReason };

/**
 * Bytes of proof say that the edge sent an event, not that it is one of ours: each is checked by itself.
 * @param isConfigured whether vendors deliver over a channel to a tenant
 */
export function judge(
  relayed: unknown,
  tenant: string,
  now: number,
  isConfigured: (tenant: string, channel: string) => boolean,
): Judged {
  const rejected = (reason: RelayReason): Judged => ({ kind: 'rejected', id: idOf(relayed), reason });
  const { data } = relayedSchema.safeParse(relayed);
  if (data === undefined) return rejected('malformed');
  const { acceptedAt, deliveries, event } = data;
  const latest = now + RELAY_TOLERANCE_SECONDS * 1000;
  // What claims to come from the future would never be too old.
  if (acceptedAt > latest || event.receivedAt > latest) return rejected('malformed');
  if (event.tenant !== tenant) return rejected('foreign_tenant');
  if (!isConfigured(tenant, event.channel)) return rejected('channel_unconfigured');
  const { seenUntil, ...rest } = event;
  const windowMs = windowLeft(event.windowMs, now - acceptedAt);
  return { kind: 'sound', deliveries, event: { ...rest, ...(seenUntil && { seenUntil }), windowMs } };
}

/**
 * An hour, in ms. An event that waited for all of its window is remembered for as long: the edge may send it again when
 * the answer is lost, and it must not run again then.
 */
const LEAST_WINDOW_MS = 3_600_000;

/** The window runs from the moment at which the edge accepted the event, so that both sides forget it together. */
const windowLeft = (windowMs: number, waitedMs: number): number =>
  Math.min(windowMs, Math.max(windowMs - waitedMs, LEAST_WINDOW_MS));

const idSchema = z.object({ event: z.object({ id: eventSchema.shape.id }) });

/** An answer repeats nothing but what looks like an id of ours. */
const idOf = (relayed: unknown): string => idSchema.safeParse(relayed).data?.event.id ?? '';
