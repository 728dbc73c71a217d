import * as z from 'zod';
import { fromBase64 } from '../../../core/crypto/encoding.ts';
import { SallyportError } from '../../../core/errors.ts';
import { decodeText, isJsonObject, type JsonValue, parseJsonText } from '../../../core/json/json-text.ts';
import type { Delivery } from '../../channel.ts';

/** Why an authentic push is not run; each is a metric label and a row of docs/gmail.md. */
export type GmailReason = 'unparsable' | 'bad_message_id' | 'bad_data' | 'unknown_mailbox';

/** A push, read and believed as far as it goes: it is a hint that something changed. */
export interface Push {
  readonly mailbox: string;
  readonly historyId: string;
  /** Pub/Sub's id of the notification; it has nothing to do with Gmail's ids. */
  readonly messageId: string;
  /** Epoch milliseconds, as Pub/Sub says; undefined when it says nothing readable. */
  readonly publishedAt: number | undefined;
  /** Pub/Sub counts its attempts, which it does only where the subscription has a dead-letter policy, and this is not the first. */
  readonly isRetry: boolean;
}

export interface ParseContext {
  /** `projects/…/subscriptions/…`, exactly. */
  readonly subscription: string;
  /** In lower case. */
  readonly mailboxes: ReadonlySet<string>;
}

/** Pub/Sub's are digits; whatever else its documentation leaves open ("unique within the topic"). */
const MESSAGE_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** What is common to the wrapped and the unwrapped form. */
interface Notification {
  readonly subscription: string | null | undefined;
  readonly messageId: string | null | undefined;
  readonly publishTime: string | null | undefined;
  readonly isRetry: boolean;
  readonly data: () => JsonValue | undefined;
}

/**
 * Reads the body of a push whose token has been verified.
 * @throws SallyportError ERR_TOKEN_SENDER when it comes from another subscription: the token does not vouch for that
 */
export function parse(delivery: Delivery, { subscription, mailboxes }: ParseContext): Push | GmailReason {
  const notification = readNotification(delivery);
  if (notification === undefined) return 'unparsable';
  if (notification.subscription !== subscription) {
    throw new SallyportError('ERR_TOKEN_SENDER', 'the push belongs to another subscription');
  }
  const { messageId, publishTime, isRetry } = notification;
  if (typeof messageId !== 'string' || !MESSAGE_ID.test(messageId)) return 'bad_message_id';
  const data: PushData | undefined = pushDataSchema.safeParse(notification.data()).data;
  if (data === undefined) return 'bad_data';
  // Mail addresses of Gmail's mailboxes do not tell letters' cases apart.
  const mailbox = data.emailAddress.toLowerCase();
  if (!mailboxes.has(mailbox)) return 'unknown_mailbox';
  return { mailbox, historyId: data.historyId, messageId, publishedAt: epochOf(publishTime), isRetry };
}

function readNotification({ headers, body }: Delivery): Notification | undefined {
  const value = jsonOf(() => decodeText(body));
  const envelope = envelopeSchema.safeParse(value).data;
  if (envelope !== undefined) {
    const { message } = envelope;
    return {
      subscription: envelope.subscription,
      messageId: message.messageId ?? message.message_id,
      publishTime: message.publishTime ?? message.publish_time,
      isRetry: (envelope.deliveryAttempt ?? 1) > 1,
      data: () => decodeData(message.data),
    };
  }
  const subscription = headers.get('x-goog-pubsub-subscription-name');
  // A subscription that neither wraps nor writes metadata sends no id to know a repetition by. Refusing it as a wrong
  // one makes the mistake visible in Pub/Sub, and keeps the pushes until it is set right.
  if (subscription === null && !(isJsonObject(value) && 'emailAddress' in value)) return undefined;
  return {
    subscription,
    messageId: headers.get('x-goog-pubsub-message-id'),
    publishTime: headers.get('x-goog-pubsub-publish-time'),
    // No header is documented for the count.
    isRetry: false,
    data: () => value,
  };
}

function decodeData(data: string | null | undefined): JsonValue | undefined {
  // Gmail's guide calls it base64url, Pub/Sub's reference base64: both alphabets come, padded or not.
  const bytes = fromBase64(data ?? '');
  return bytes === null ? undefined : jsonOf(() => decodeText(bytes));
}

function jsonOf(text: () => string): JsonValue | undefined {
  try {
    return parseJsonText(quoteHistoryId(text()));
  } catch {
    return undefined;
  }
}

/** A member name cannot follow a backslash, so this never matches inside a string. */
const BARE_HISTORY_ID = /("historyId"\s*:\s*)([0-9]{1,20})(?=\s*[,}])/g;

/** In practice `historyId` is a JSON number, and above 2^53 `JSON.parse` would round it. */
const quoteHistoryId = (text: string): string => text.replace(BARE_HISTORY_ID, '$1"$2"');

function epochOf(publishTime: string | null | undefined): number | undefined {
  const at = Date.parse(publishTime ?? '');
  return Number.isNaN(at) ? undefined : at;
}

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
const envelopeSchema = z.looseObject({
  message: pushed,
  subscription: z.string().nullish(),
  deliveryAttempt: z.number().nullish().catch(null),
});
/** A uint64 in decimal. */
const HISTORY_ID = /^[0-9]{1,20}$/;

/** A history id, kept as text for ever: as a number it would lose digits above 2^53. Leading zeros go, so that one id has one spelling. */
export const historyIdSchema = z
  .union([z.string().regex(HISTORY_ID), z.int().nonnegative().transform(String)])
  .transform((text) => BigInt(text).toString());

/** What Gmail says has happened: something, in that mailbox. */
const pushDataSchema = z.looseObject({
  emailAddress: z.string().min(3).max(320),
  historyId: historyIdSchema,
});
type PushData = z.output<typeof pushDataSchema>;
