import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startHttpAgentServer } from '../../src/testing/agents/http-agent-server.ts';
import type { MailOptions } from '../../src/testing/gmail/mailbox.ts';
import { gmailPush, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { type GmailServer, startGmailServer } from '../../src/testing/gmail/server.ts';
import { startKeyServer } from '../../src/testing/keys/key-server.ts';
import { sampleSecrets } from '../fixtures/secrets.ts';
import { seeded } from '../support/campaign.ts';
import { holds, leaks } from '../support/canary/search.ts';
import { wordsOf } from '../support/canary/words.ts';
import { type CanaryRequest, type CanaryWorld, openCanary } from '../support/canary/world.ts';
import { AUDIENCE, googleKey, MAILBOX, SERVICE_ACCOUNT, SUBSCRIPTION, tokenAt } from '../support/gmail.ts';
import { AGENT_SECRET } from '../support/http-agent.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';
import { until } from '../support/until.ts';

const secrets = sampleSecrets(seeded(20_263));
const KINDS_A_PUSH = 12;

const html = (text: string): string =>
  `<html><head><title>${text}</title></head><body><p>${text}</p><a href="https://example.com">${text}</a></body></html>`;

/** A mail with the secret in every field that holds words, as plain text, as HTML, as a file, within base64. */
function mailsOf(text: string): MailOptions[] {
  const line = text.replaceAll('\n', ' ');
  const people = { From: `"${line}" <ada@example.org>`, To: `${line} <${MAILBOX}>`, Cc: `${line} <b@example.org>` };
  const headers = { ...people, 'Reply-To': `${line} <ada@example.org>`, 'X-Note': line, 'X-Mailer': line };
  const file = {
    mimeType: 'application/pdf',
    filename: text,
    data: text,
    headers: [{ name: 'Content-Disposition', value: `attachment; filename="${line}"` }],
  };
  const forwarded = JSON.stringify(wordsOf(text));
  return [
    { subject: line, headers, parts: [{ mimeType: 'text/plain', data: `${text}\n\n${forwarded}` }, file] },
    { subject: line, headers, parts: [{ mimeType: 'text/html', data: html(text) }, file] },
    { subject: `Re: ${line}`, headers, text: Buffer.from(`see ${text} there`).toString('base64') },
    // Where the secret may be the address itself.
    ...(/^[\w.+=-]{1,64}$/.test(text)
      ? [{ subject: 'hi', headers: { From: `<${text}@example.org>` }, text: 'hi' }]
      : []),
  ];
}

/** A push as Pub/Sub sends it, and whatever a publisher may add to one. */
function pushOf(gmail: GmailServer, texts: readonly string[]): CanaryRequest {
  const historyId = String(gmail.mailbox(MAILBOX).historyId());
  const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId, at: Date.now() });
  const { message, ...envelope } = JSON.parse(Buffer.from(push.body).toString()) as { message: object };
  const words = texts.map(wordsOf);
  const attributes = Object.fromEntries(texts.map((text) => [text, text]));
  const padded = { ...message, attributes, orderingKey: texts.join(' '), words };
  const body = Buffer.from(JSON.stringify({ ...envelope, ...attributes, message: padded, words }));
  return withToken({ ...push, body }, tokenAt(Date.now()));
}

/** Leaves reads of messages without an answer. */
interface Hold {
  isOn: boolean;
  held: number;
}

/** Mails come, pushes follow; some of Gmail's answers fail, and the worker is killed while it reads messages. */
async function play(world: CanaryWorld, gmail: GmailServer, hold: Hold): Promise<Record<string, string>> {
  const proofs: Record<string, string> = {};
  await until('the mailbox is watched', () => gmail.watchedUntil(MAILBOX) !== undefined);
  // A push takes its time, and pushes of one mailbox stand in line: several kinds share one.
  for (let first = 0; first < secrets.length; first += KINDS_A_PUSH) {
    const texts = secrets.slice(first, first + KINDS_A_PUSH).map(({ text }) => text);
    for (const mail of texts.flatMap(mailsOf)) gmail.mailbox(MAILBOX).deliver(mail);
    const push = pushOf(gmail, texts);
    proofs[`token ${first}`] = push.headers.authorization?.split(' ')[1] ?? '';
    const { status, outcome } = await world.post('/hooks/gmail', push);
    expect([status, outcome]).toEqual([204, 'accepted']);
    if (!hold.isOn) continue;
    // Not while it holds the mailbox: nobody else gets that for half a minute.
    await until(
      'the pushes are read and their agents are held',
      async () => hold.held > 0 && !(await world.read('/events?state=running')).includes('"push"'),
    );
    await world.crash();
    hold.isOn = false;
  }
  return proofs;
}

describe('secrets of every kind in every field of Gmail’s pushes and mails', () => {
  test(
    'none is in the store, the logs, the metrics, the command line or a request to an agent or a reply',
    async () => {
      const google = await startKeyServer([googleKey]);
      onTestFinished(() => google.stop());
      const agent = await startHttpAgentServer({ secret: AGENT_SECRET });
      onTestFinished(() => agent.stop());
      const hold: Hold = { isOn: true, held: 0 };
      let calls = 0;
      const gmail = await startGmailServer({
        clock: Date.now,
        // One message cannot be read at first, and one reply is refused for good.
        fault: ({ method }) => {
          if (hold.isOn && method === 'messages.get') {
            hold.held += 1;
            return 'timeout';
          }
          calls += method === 'messages.get' || method === 'messages.send' ? 1 : 0;
          if (method === 'messages.get' && calls === 5) return 503;
          return method === 'messages.send' && calls % 40 === 0 ? 403 : undefined;
        },
      });
      onTestFinished(() => gmail.stop());
      const world = await openCanary({
        environment: {
          GMAIL_PUSH_AUDIENCE: AUDIENCE,
          GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
          GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
          GMAIL_TOPIC: 'projects/myproject/topics/gmail',
          GMAIL_MAILBOXES: MAILBOX,
          GOOGLE_JWKS_URL: google.jwksUrl,
          GMAIL_BASE_URL: gmail.url,
          SALLYPORT_AGENT: 'http',
          SALLYPORT_AGENT_URL: agent.url,
          SALLYPORT_AGENT_SECRET: AGENT_SECRET,
          SALLYPORT_BUDGET_USD_DAY: 'unlimited',
          SALLYPORT_BUDGET_USER_RUNS_HOUR: 'unlimited',
          GOOGLE_APPLICATION_CREDENTIALS: `/no-such-file-${randomBytes(4).toString('hex')}.json`,
        },
      });
      const proofs = await play(world, gmail, hold);
      await until('every mail is answered', () => gmail.sent.length >= secrets.length);
      const states = await world.settled();
      expect(states.size).toBeGreaterThan(secrets.length * 3);
      const places = new Map(await world.places());
      const replies = JSON.stringify(gmail.sent);
      expect(replies.match(/\[secret:/g)?.length).toBeGreaterThan(secrets.length);
      places.set('replies', Buffer.from(replies));
      places.set('requests to the agent', Buffer.from(agent.requests.map(({ body }) => body).join('\n')));
      expect(leaks(secrets, places)).toEqual([]);
      expect(holds(places, proofs)).toEqual([]);
    },
    CAMPAIGN_MS,
  );
});
