import * as z from 'zod';

/**
 * What we read of an activity, and no more: unknown members pass, and one we do not use cannot make it invalid.
 * https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference
 */
const text = z.string().nullish();

const account = z.looseObject({ id: text, name: text, role: text });

/** What every activity of the connector has; without it nobody can say where the activity belongs. */
export const envelopeSchema = z.looseObject({
  type: z.string().min(1),
  conversation: z.looseObject({ id: z.string().min(1) }),
});

export const activitySchema = z.looseObject({
  type: z.string(),
  id: text,
  timestamp: text,
  channelId: text,
  serviceUrl: text,
  deliveryMode: text,
  /** The operation of an `invoke`. */
  name: text,
  text,
  replyToId: text,
  from: account.nullish(),
  recipient: account.nullish(),
  conversation: z
    .looseObject({ id: text, conversationType: text, isGroup: z.boolean().nullish(), tenantId: text })
    .nullish(),
  channelData: z.looseObject({ tenant: z.looseObject({ id: text }).nullish() }).nullish(),
  entities: z.array(z.unknown()).nullish(),
  attachments: z.array(z.looseObject({ contentType: text, name: text })).nullish(),
  value: z.unknown().optional(),
});
export type Activity = z.infer<typeof activitySchema>;

/** One of the `entities`: the text that stands for a mention, and whom it mentions. */
export const mentionSchema = z.looseObject({
  type: z.literal('mention'),
  text: z.string().min(1),
  mentioned: z.looseObject({ id: z.string().min(1) }),
});
