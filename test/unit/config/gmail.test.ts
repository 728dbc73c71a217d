import { expect, test } from 'vitest';
import { type Loaded, loadConfig } from '../../../src/config/load.ts';

const key = Buffer.alloc(32, 1).toString('base64');
const load = (environment: Record<string, string>): Loaded =>
  loadConfig({}, { SALLYPORT_SEAL_KEY: key, SALLYPORT_ID_KEY: key, ...environment }, 'all');

const complete = {
  GMAIL_PUSH_AUDIENCE: 'https://gate.example/hooks/gmail',
  GMAIL_PUSH_SERVICE_ACCOUNT: 'push@project.iam.gserviceaccount.com',
  GMAIL_PUSH_SUBSCRIPTION: 'projects/p/subscriptions/s',
};

test('three variables switch Gmail on; the rest refine it', () => {
  const loaded = load({
    ...complete,
    GMAIL_MAILBOXES: 'a@example.com, b@example.com',
    GMAIL_TOPIC: 'projects/p/topics/t',
  });
  expect(loaded.ok && loaded.config.tenants.default?.gmail).toMatchObject({
    mailboxes: ['a@example.com', 'b@example.com'],
    topic: 'projects/p/topics/t',
    jwksUrl: 'https://www.googleapis.com/oauth2/v3/certs',
    baseUrl: 'https://gmail.googleapis.com/',
    pollAfter: 600_000,
  });
});

test('what is missing and what is wrong is named by its variable, without the value', () => {
  const wrong = {
    GMAIL_PUSH_SERVICE_ACCOUNT: 'wrong-4711',
    GMAIL_TOPIC: 'wrong-4711',
    GMAIL_MAILBOXES: 'a@example.com,wrong-4711',
    GOOGLE_JWKS_URL: 'http://wrong-4711.example/',
    GMAIL_BASE_URL: 'http://wrong-4711.example/',
    GMAIL_PUSH_AUDIENCE: 'x',
  };
  const loaded = load(wrong);
  const problems = loaded.ok ? [] : loaded.problems;
  expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
    'GMAIL_BASE_URL',
    'GMAIL_MAILBOXES',
    'GMAIL_PUSH_SERVICE_ACCOUNT',
    'GMAIL_PUSH_SUBSCRIPTION',
    'GMAIL_TOPIC',
    'GOOGLE_JWKS_URL',
  ]);
  expect(problems.join()).not.toContain('4711');
});

test('a window shorter than what Pub/Sub keeps is refused', () => {
  const loaded = load({ ...complete, SALLYPORT_WINDOW_GMAIL: '24h' });
  expect(loaded.ok ? [] : loaded.problems).toEqual([expect.stringMatching(/^SALLYPORT_WINDOW_GMAIL: /)]);
});

test('Google credentials alone do not switch Gmail on', () => {
  const loaded = load({ SLACK_SIGNING_SECRET: 'x'.repeat(32), GOOGLE_APPLICATION_CREDENTIALS: '/tmp/key.json' });
  expect(loaded.ok && loaded.config.tenants.default?.gmail).toBeUndefined();
});
