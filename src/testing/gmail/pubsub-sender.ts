import { randomInt } from 'node:crypto';
import { defined } from '../../core/defined.ts';

export interface PushOptions {
  /** `projects/…/subscriptions/…` */
  readonly subscription: string;
  readonly mailbox: string;
  readonly historyId: string;
  /** Pub/Sub's id of the notification; made up when absent. The same id is the same notification sent again. */
  readonly messageId?: string;
  /** Epoch milliseconds of its publication. */
  readonly at: number;
  /** `unwrapped` is a subscription with payload unwrapping and metadata. Default `wrapped`. */
  readonly form?: 'wrapped' | 'unwrapped';
  /** How `data` is encoded: Pub/Sub's reference says base64, Gmail's guide base64url. Default `base64`. */
  readonly encoding?: 'base64' | 'base64url';
  /** How `historyId` is written: the guide shows text, in practice it is a number. Default `number`. */
  readonly historyIdAs?: 'number' | 'text';
  /** Only with a dead-letter policy. */
  readonly deliveryAttempt?: number;
}

/** A push without its token, ready for `fetch`. */
export interface PushRequest {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** An id like Pub/Sub's: 16 digits. */
export const newPushId = (): string => String(2_000_000_000_000_000 + randomInt(2 ** 47));

/** A Gmail notification as Pub/Sub pushes it. */
export function gmailPush(options: PushOptions): PushRequest {
  const { mailbox, historyId, historyIdAs = 'number', form = 'wrapped', encoding = 'base64' } = options;
  // Written by hand, because a number above 2^53 would not survive `JSON.stringify`.
  const id = historyIdAs === 'number' ? historyId : JSON.stringify(historyId);
  const data = `{"emailAddress":${JSON.stringify(mailbox)},"historyId":${id}}`;
  const { subscription, messageId = newPushId(), at, deliveryAttempt } = options;
  const publishTime = new Date(at).toISOString();
  if (form === 'unwrapped') {
    const headers = {
      'x-goog-pubsub-subscription-name': subscription,
      'x-goog-pubsub-message-id': messageId,
      'x-goog-pubsub-publish-time': publishTime,
    };
    return request(data, headers);
  }
  const encoded = Buffer.from(data).toString(encoding);
  const message = { data: encoded, messageId, message_id: messageId, publishTime, publish_time: publishTime };
  return request(JSON.stringify({ message, subscription, ...defined({ deliveryAttempt }) }));
}

const request = (body: string, headers: Readonly<Record<string, string>> = {}): PushRequest => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: Buffer.from(body),
});

/** The request with a token, as a subscription with authentication sends it. */
export const withToken = (push: PushRequest, token: string): PushRequest => ({
  ...push,
  headers: { ...push.headers, authorization: `Bearer ${token}` },
});

/** The only statuses Pub/Sub takes for an acknowledgement. */
const ACKS: ReadonlySet<number> = new Set([102, 200, 201, 202, 204]);

/** Whether Pub/Sub would send no more after this answer. */
export const isAcknowledged = (status: number): boolean => ACKS.has(status);
