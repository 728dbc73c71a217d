import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { duration, durationAtLeast, httpUrl, listOf } from '../../core/setting-values.ts';

const HOUR_MS = 3_600_000;

const text = z.string({ error: 'is required, as text' });

const email = text.regex(/^[^\s@,<>"]{1,64}@[A-Za-z0-9.-]{1,255}$/, { message: 'must be an e-mail address' });

const resource = (kind: 'subscriptions' | 'topics') =>
  text.regex(new RegExp(`^projects/[A-Za-z0-9.:-]{1,100}/${kind}/[A-Za-z0-9._~+%-]{1,255}$`), {
    message: `must be projects/<project>/${kind}/<name>`,
  });

export const gmailSchema = z.strictObject({
  // Pub/Sub's own default is the endpoint's URL.
  audience: setting(text.min(1, { message: 'is empty' }), {
    env: 'GMAIL_PUSH_AUDIENCE',
    description: 'switches Gmail on: the audience set on the push subscription, exactly',
    default: '–',
  }),
  serviceAccount: setting(email, {
    env: 'GMAIL_PUSH_SERVICE_ACCOUNT',
    description:
      'e-mail of the service account set on the push subscription, exactly; not of the one that publishes to the topic',
    default: '–',
  }),
  subscription: setting(resource('subscriptions'), {
    env: 'GMAIL_PUSH_SUBSCRIPTION',
    description: '`projects/<project>/subscriptions/<name>`',
    default: '–',
  }),
  topic: setting(resource('topics').optional(), {
    env: 'GMAIL_TOPIC',
    description: '`projects/<project>/topics/<name>`; absent: somebody else keeps the watches',
    refines: 'GMAIL_PUSH_AUDIENCE',
  }),
  mailboxes: setting(listOf(email).default([]), {
    env: 'GMAIL_MAILBOXES',
    description: 'comma list; pushes for other mailboxes are ignored',
    refines: 'GMAIL_PUSH_AUDIENCE',
  }),
  jwksUrl: setting(httpUrl.default('https://www.googleapis.com/oauth2/v3/certs'), {
    env: 'GOOGLE_JWKS_URL',
    description: 'for local servers',
    refines: 'GMAIL_PUSH_AUDIENCE',
  }),
  baseUrl: setting(httpUrl.default('https://gmail.googleapis.com/'), {
    env: 'GMAIL_BASE_URL',
    description: 'for local servers',
    refines: 'GMAIL_PUSH_AUDIENCE',
  }),
  credentialsFile: setting(z.string().min(1).optional(), {
    env: 'GOOGLE_APPLICATION_CREDENTIALS',
    description: 'key file of the credentials that read and answer mail',
    default: "Google's usual places (ADC); none for a local `baseUrl`",
    refines: 'GMAIL_PUSH_AUDIENCE',
  }),
  pollAfter: setting(duration.prefault('10m'), {
    description: 'a mailbox that was silent for this long is looked into without a push',
  }),
});

export type GmailConfig = z.output<typeof gmailSchema>;

/** How long a delivery is remembered, so that a copy of it is known as one, in ms. */
export const gmailWindow = setting(
  durationAtLeast(7 * 24 * HOUR_MS, 'Pub/Sub keeps and re-sends messages for 7 days').prefault('7d'),
  { env: 'SALLYPORT_WINDOW_GMAIL', description: 'at least 7d' },
);
