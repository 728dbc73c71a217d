import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gmailPush, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { type GmailServer, startGmailServer } from '../../src/testing/gmail/server.ts';
import { type KeyServer, startKeyServer } from '../../src/testing/keys/key-server.ts';
import { ensureBuilt } from '../support/built.ts';
import { sallyport } from '../support/command.ts';
import { AUDIENCE, googleKey, MAILBOX, SERVICE_ACCOUNT, SUBSCRIPTION, tokenAt } from '../support/gmail.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

/** The built product as an operator starts it, with Pub/Sub in front of it and Gmail behind it. */
const KEY = Buffer.alloc(32, 7).toString('base64');
const METRICS_TOKEN = 'a-token-for-metrics-only';

let folder: string;

beforeAll(async () => {
  await ensureBuilt();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-gmail-journey-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('in production', () => {
  let google: KeyServer;
  let gmail: GmailServer;
  let gate: RoleProcess;
  const pushed: string[] = [];

  beforeAll(async () => {
    google = await startKeyServer([googleKey]);
    gmail = await startGmailServer({ clock: Date.now, onPublish: (_, historyId) => pushed.push(historyId) });
    const environment = {
      SALLYPORT_DATA_DIR: join(folder, 'production'),
      SALLYPORT_SEAL_KEY: KEY,
      SALLYPORT_ID_KEY: KEY,
      GMAIL_PUSH_AUDIENCE: AUDIENCE,
      GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
      GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
      GMAIL_TOPIC: 'projects/myproject/topics/gmail',
      GMAIL_MAILBOXES: MAILBOX,
      GOOGLE_JWKS_URL: google.jwksUrl,
      GMAIL_BASE_URL: gmail.url,
      SALLYPORT_METRICS_TOKEN: METRICS_TOKEN,
      // Never shown to a local server, nor even read for one.
      GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'no-such-file.json'),
    };
    gate = await startRole({ role: 'all', environment, folder });
  });
  afterAll(async () => {
    await gate?.stop();
    await gmail.stop();
    await google.stop();
  });

  test('the keeper has the mailbox watched, and mail is answered in its thread', async () => {
    await until('the mailbox is watched', () => gmail.watchedUntil(MAILBOX) !== undefined);
    const mail = gmail.mailbox(MAILBOX).deliver({ subject: 'Hello', text: 'how are you?' });
    const historyId = pushed.at(-1) ?? '';
    const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId, at: Date.now() });
    const { headers, body } = withToken(push, tokenAt(Date.now()));
    const response = await fetch(`${gate.url}/hooks/gmail`, { method: 'POST', headers, body: new Uint8Array(body) });
    expect([response.status, response.headers.get('x-sallyport-outcome')]).toEqual([204, 'accepted']);
    await until('the mail is answered', () => gmail.sent.length > 0);
    expect(gmail.sent).toMatchObject([{ threadId: mail.threadId, text: 'echo: Hello\r\n\r\nhow are you?' }]);
  });

  test('an attempt of Pub/Sub that is not its first is counted as a retry', async () => {
    const push = (deliveryAttempt: number) =>
      gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: Date.now(), deliveryAttempt });
    for (const attempt of [1, 2, 3]) {
      const { headers, body } = withToken(push(attempt), tokenAt(Date.now()));
      await fetch(`${gate.url}/hooks/gmail`, { method: 'POST', headers, body: new Uint8Array(body) });
    }
    const metrics = await fetch(`${gate.url}/metrics`, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
    expect(await metrics.text()).toContain(
      'sallyport_sender_retries_total{channel="gmail",reason="delivery_attempt"} 2\n',
    );
  });

  test('doctor says that the mailboxes can be read', async () => {
    const environment = {
      SALLYPORT_DATA_DIR: join(folder, 'doctor'),
      SALLYPORT_SEAL_KEY: KEY,
      SALLYPORT_ID_KEY: KEY,
      GMAIL_PUSH_AUDIENCE: AUDIENCE,
      GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
      GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
      GMAIL_MAILBOXES: MAILBOX,
      GMAIL_BASE_URL: gmail.url,
    };
    const { out } = await sallyport(['doctor'], { folder, environment });
    expect(out).toContain(`ok    gmail (default, ${MAILBOX}): can be read\n`);
  });
});

describe('in development', () => {
  let gate: RoleProcess;

  beforeAll(async () => {
    gate = await startRole({ role: 'dev', environment: {}, folder });
  });
  afterAll(() => gate?.stop());

  const send = (...args: string[]) =>
    sallyport(['send', 'gmail', '--url', gate.url, ...args], { folder, environment: {} });

  test('send gmail puts a mail into the local mailbox, pushes, and prints the reply', async () => {
    const { code, out, err } = await send('--text', 'hello', '--wait');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^204 accepted ev_[0-9A-Z]{26}\necho: hello\n$/);
  });

  test.each([
    ['stale', /^401\n$/],
    ['future', /^401\n$/],
    ['wrong-key', /^401\n$/],
    ['altered', /^401\n$/],
    ['replay', /^204 accepted (ev_\w+)\n204 duplicate \1\n$/],
    ['duplicate', /^204 accepted (ev_\w+)\n204 duplicate \1\n$/],
    ['reorder', /^(204 accepted ev_\w+\n){2}$/],
  ])('--tamper %s shows what a correct gate does', async (mode, printed) => {
    const { code, out, err } = await send('--tamper', mode);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(printed);
  });

  test('a payload of the user’s own is a whole push, or what Gmail puts into one', async () => {
    const own = join(folder, 'own.json');
    await writeFile(own, JSON.stringify({ emailAddress: 'sallyport@example.com', historyId: 1710 }));
    expect((await send('--file', own)).out).toMatch(/^204 accepted /);
    await writeFile(
      own,
      JSON.stringify({ message: { messageId: '1', data: '' }, subscription: 'projects/sallyport/subscriptions/gmail' }),
    );
    expect((await send('--file', own)).out).toBe('204 quarantined\n');
    await writeFile(own, '{}');
    expect(await send('--file', own)).toMatchObject({ code: 2 });
  });
});

test('without a development key there is nothing to sign with', async () => {
  const environment = { SALLYPORT_DATA_DIR: join(folder, 'elsewhere') };
  const { code, err } = await sallyport(['send', 'gmail', '--url', 'http://127.0.0.1:9'], { folder, environment });
  expect([code, err]).toEqual([78, expect.stringContaining('sallyport dev')]);
});
