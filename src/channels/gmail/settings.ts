import { z } from 'zod';
import { duration, durationAtLeast, httpUrl, listOf } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;
const TENANT = ['tenants', 'default', 'gmail'] as const;

const text = z.string({ error: 'is required, as text' });

const email = text.regex(/^[^\s@,<>"]{1,64}@[A-Za-z0-9.-]{1,255}$/, { message: 'must be an e-mail address' });

const resource = (kind: 'subscriptions' | 'topics') =>
  text.regex(new RegExp(`^projects/[A-Za-z0-9.:-]{1,100}/${kind}/[A-Za-z0-9._~+%-]{1,255}$`), {
    message: `must be projects/<project>/${kind}/<name>`,
  });

export const gmailSchema = z.strictObject({
  /** The audience set on the push subscription, exactly; Pub/Sub's own default is the endpoint's URL. */
  audience: text.min(1, { message: 'is empty' }),
  /** E-mail of the service account set on the push subscription. Not the one that publishes to the topic. */
  serviceAccount: email,
  subscription: resource('subscriptions'),
  /** Absent: the watches are kept by somebody else. */
  topic: resource('topics').optional(),
  /** Pushes for other mailboxes are ignored. */
  mailboxes: listOf(email).default([]),
  jwksUrl: httpUrl.default('https://www.googleapis.com/oauth2/v3/certs'),
  baseUrl: httpUrl.default('https://gmail.googleapis.com/'),
  /** A service account's or user's key file; absent: Google's usual places (ADC), none for a local `baseUrl`. */
  credentialsFile: z.string().min(1).optional(),
  /** A mailbox that was silent for this long is looked into without a push. */
  pollAfter: duration.prefault('10m'),
});

export type GmailConfig = z.output<typeof gmailSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const gmailWindow = durationAtLeast(7 * 24 * HOUR_MS, 'Pub/Sub keeps and re-sends messages for 7 days').prefault(
  '7d',
);

export const gmailEnvironment: Readonly<Record<string, readonly string[]>> = {
  GMAIL_PUSH_AUDIENCE: [...TENANT, 'audience'],
  GMAIL_PUSH_SERVICE_ACCOUNT: [...TENANT, 'serviceAccount'],
  GMAIL_PUSH_SUBSCRIPTION: [...TENANT, 'subscription'],
  GMAIL_TOPIC: [...TENANT, 'topic'],
  GMAIL_MAILBOXES: [...TENANT, 'mailboxes'],
  GOOGLE_JWKS_URL: [...TENANT, 'jwksUrl'],
  GMAIL_BASE_URL: [...TENANT, 'baseUrl'],
  GOOGLE_APPLICATION_CREDENTIALS: [...TENANT, 'credentialsFile'],
};

/** Variables that only refine the channel, and the one that switches it on. */
export const gmailRefinements: Readonly<Record<string, string>> = {
  GMAIL_TOPIC: 'GMAIL_PUSH_AUDIENCE',
  GMAIL_MAILBOXES: 'GMAIL_PUSH_AUDIENCE',
  GOOGLE_JWKS_URL: 'GMAIL_PUSH_AUDIENCE',
  GMAIL_BASE_URL: 'GMAIL_PUSH_AUDIENCE',
  GOOGLE_APPLICATION_CREDENTIALS: 'GMAIL_PUSH_AUDIENCE',
};
