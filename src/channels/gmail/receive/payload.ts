import { z } from 'zod';

/**
 * What we read of Pub/Sub's push body (cloud.google.com/pubsub/docs/push) and of what Gmail puts into it
 * (developers.google.com/workspace/gmail/api/guides/push). Unknown fields pass.
 */
const pushed = z.looseObject({
  data: z.string().nullish(),
  messageId: z.string().nullish(),
  /** The same value under the name of older releases. */
  message_id: z.string().nullish(),
  publishTime: z.string().nullish(),
  publish_time: z.string().nullish(),
});

/** A body in Pub/Sub's own wrapping. */
export const envelopeSchema = z.looseObject({ message: pushed, subscription: z.string().nullish() });
export type Envelope = z.output<typeof envelopeSchema>;

/** A uint64 in decimal. */
const HISTORY_ID = /^[0-9]{1,20}$/;

/** A history id, kept as text for ever: as a number it would lose digits above 2^53. Leading zeros go, so that one id has one spelling. */
export const historyIdSchema = z
  .union([z.string().regex(HISTORY_ID), z.int().nonnegative().transform(String)])
  .transform((text) => BigInt(text).toString());

/** What Gmail says has happened: something, in that mailbox. */
export const pushDataSchema = z.looseObject({
  emailAddress: z.string().min(3).max(320),
  historyId: historyIdSchema,
});
export type PushData = z.output<typeof pushDataSchema>;
