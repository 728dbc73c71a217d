import * as z from 'zod';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { ObjectRef } from '../resource.ts';

/** What `identify` wrote into an event's `destination`. */
const source = { nonce: z.string().optional(), subscription: z.string().optional() };

const mail = z.object({ kind: z.literal('mail'), mailbox: z.string(), message: z.string(), ...source });
const chat = z.object({ kind: z.literal('chat'), chat: z.string(), message: z.string(), ...source });
const channel = z.object({
  kind: z.literal('channel'),
  team: z.string(),
  channel: z.string(),
  root: z.string(),
  reply: z
    .string()
    .optional()
    .transform((id) => id),
  ...source,
});
const lifecycle = z.object({
  kind: z.literal('lifecycle'),
  event: z.enum(['reauthorizationRequired', 'subscriptionRemoved', 'missed']),
  nonce: z.string().optional(),
  subscription: z.string(),
});

const destinationSchema = z.discriminatedUnion('kind', [mail, chat, channel, lifecycle]);
export type Destination = z.output<typeof destinationSchema>;
export type LifecycleDestination = z.output<typeof lifecycle>;
export type ObjectDestination = Exclude<Destination, LifecycleDestination>;

/** Null for what no release of ours wrote. */
export const readDestination = (destination: JsonObject): Destination | null =>
  destinationSchema.safeParse(destination).data ?? null;

/** The object alone. */
export function refOfDestination(destination: ObjectDestination): ObjectRef {
  const { nonce: _nonce, subscription: _subscription, ...ref } = destination;
  return ref.kind === 'channel' ? { ...ref, reply: ref.reply } : ref;
}
