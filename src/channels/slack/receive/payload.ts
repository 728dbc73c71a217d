import * as z from 'zod';

/**
 * What we read of Slack's payloads, and no more: unknown fields pass, and a field we do not use cannot make a payload
 * invalid. https://docs.slack.dev/apis/events-api and https://docs.slack.dev/interactivity/handling-user-interaction
 */
const text = z.string().nullish();

const authorization = z.object({
  team_id: text,
  enterprise_id: text,
  user_id: text,
  is_bot: z.boolean().nullish(),
  is_enterprise_install: z.boolean().nullish(),
});

/** The outside of an Events API delivery. */
export const envelopeSchema = z.object({
  api_app_id: text,
  team_id: text,
  enterprise_id: text,
  event_id: text,
  is_enterprise_install: z.boolean().nullish(),
  authorizations: z.array(authorization).nullish(),
  event: z.object({ type: z.string().regex(/^[a-z][a-z0-9_.]{0,63}$/) }),
});
export type Envelope = z.infer<typeof envelopeSchema>;

const authored = z.object({
  user: text,
  bot_id: text,
  app_id: text,
  bot_profile: z.object({ id: text, app_id: text }).nullish(),
});
/** Whoever wrote a message, in the places Slack puts that. */
export type Authored = z.infer<typeof authored>;

/** `message` and `app_mention`; the nested messages belong to edits and deletions. */
export const messageSchema = authored.extend({
  type: z.string(),
  subtype: text,
  hidden: z.boolean().nullish(),
  edited: z.looseObject({}).nullish(),
  channel: text,
  channel_type: text,
  ts: text,
  thread_ts: text,
  text,
  files: z.array(z.looseObject({ id: text })).nullish(),
  message: authored.nullish(),
  previous_message: authored.nullish(),
});
export type MessageEvent = z.infer<typeof messageSchema>;

const idOrObject = z.union([z.string(), z.looseObject({ id: text })]).nullish();

/** Any other event: where it happened and who did it, in the places Slack puts that. */
export const otherEventSchema = z.looseObject({
  type: z.string(),
  user: idOrObject,
  user_id: text,
  channel: idOrObject,
  channel_id: text,
  item: z.looseObject({ channel: text }).nullish().catch(null),
});
export type OtherEvent = z.infer<typeof otherEventSchema>;

/** A slash command's form. `is_enterprise_install` is the word 'true' here. */
export const commandSchema = z.looseObject({
  command: z.string().min(1),
  text: z.string().default(''),
  user_id: z.string().min(1),
  channel_id: z.string().min(1),
  team_id: text,
  enterprise_id: text,
  is_enterprise_install: text,
  api_app_id: text,
  trigger_id: text,
  response_url: text,
});
export type Command = z.infer<typeof commandSchema>;

const option = z.looseObject({ value: text });

const action = z.looseObject({
  action_id: text,
  name: text,
  action_ts: text,
  value: text,
  selected_option: option.nullish(),
  selected_options: z.array(option).nullish(),
});
export type Action = z.infer<typeof action>;

/** Everything that arrives in a form's `payload` field. */
export const interactionSchema = z.looseObject({
  type: z.string(),
  api_app_id: text,
  team: z.looseObject({ id: text, enterprise_id: text }).nullish(),
  enterprise: z.looseObject({ id: text }).nullish(),
  is_enterprise_install: z.boolean().nullish(),
  user: z.looseObject({ id: z.string().min(1), team_id: text }),
  channel: z.looseObject({ id: text }).nullish(),
  container: z.looseObject({ channel_id: text, message_ts: text, thread_ts: text, view_id: text }).nullish(),
  message: z.looseObject({ ts: text, thread_ts: text, text }).nullish(),
  message_ts: text,
  actions: z.array(action).nullish(),
  action_ts: text,
  callback_id: text,
  view: z.looseObject({ id: text, hash: text, app_installed_team_id: text, state: z.unknown().optional() }).nullish(),
  submission: z.record(z.string(), z.unknown()).nullish(),
  trigger_id: text,
  response_url: text,
  response_urls: z.array(z.looseObject({ response_url: text })).nullish(),
});
export type Interaction = z.infer<typeof interactionSchema>;

/**
 * Slack's ids are letters and digits; `_` and `-` occur in its own examples. They become names, keys and destinations
 * without being scrubbed, so nothing else gets through.
 */
const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** Seconds, a dot and a counter. Kept as text for ever: as a number it would lose digits, and messages would merge. */
const TS = /^[0-9]{1,12}\.[0-9]{1,9}$/;

export const isId = (value: string): boolean => ID.test(value);
export const isTs = (value: string): boolean => TS.test(value);

/** Slack sends absent ids as null, as '' or not at all. */
export const present = (value: string | null | undefined): string | undefined =>
  value === null || value === '' ? undefined : value;
