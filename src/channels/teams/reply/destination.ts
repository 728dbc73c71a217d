import * as z from 'zod';
import type { JsonObject } from '../../../core/json/json-text.ts';

/** Where a reply goes, as `identify.ts` writes it into the event. */
export const destinationSchema = z.looseObject({
  /** `response`: the sender took it, or its placeholder, in the answer to its request; nothing is posted. */
  via: z.enum(['message', 'response']),
  /** Epoch ms until which the sender waits for the response. Absent in events of earlier releases. */
  until: z.number().optional(),
});

export type Destination = z.infer<typeof destinationSchema>;

/** `until` for what is answered in the response. */
export const destinationOf = (until: number | undefined): JsonObject =>
  until === undefined ? { via: 'message' } : { via: 'response', until };

/** Under this name the reference is sealed. */
export const REFERENCE = 'conversation_reference';

/**
 * What it takes to speak in a conversation, given the bot's token. Sealed as a whole, because whoever can change it
 * decides where that token goes.
 */
export const referenceSchema = z.strictObject({
  serviceUrl: z.string(),
  conversationId: z.string(),
  /** Absent for activities that have none; the reply then stands by itself. */
  activityId: z.string().optional(),
  /** By id alone: its name is text, and replies would carry it past the scrubber. Earlier releases sealed it too. */
  bot: z.object({ id: z.string() }).optional(),
});
export type ConversationReference = z.infer<typeof referenceSchema>;
