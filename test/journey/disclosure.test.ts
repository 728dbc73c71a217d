import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { gmailPush, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { type GmailFault, startGmailServer } from '../../src/testing/gmail/server.ts';
import { startKeyServer } from '../../src/testing/keys/key-server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { signTeamsActivity, signTeamsOutgoing, teamsMessage } from '../../src/testing/teams/signer.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { ensureBuilt } from '../support/built.ts';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { AUDIENCE, googleKey, MAILBOX, SERVICE_ACCOUNT, SUBSCRIPTION, tokenAt } from '../support/gmail.ts';
import { type GraphGate, openGraphGate } from '../support/graph-gate.ts';
import { startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

/** Replies that a model wrote say so, in the form of each channel. */

const STANDARD = 'Written by AI. It may contain mistakes.';
const JWT_SECRET = 'disclosure-journey-secret-of-32-bytes-or-more';
const APP_ID = '3851a47b-53ed-4d29-b878-6e941da61e98';
const SECURITY_TOKEN = Buffer.alloc(32, 7).toString('base64');

const WRITER = `export default {
  agents: [{ name: 'writer', run: async ({ event }) => ({ kind: 'reply', text: 'about ' + event.text }) }],
  TENANTS
};`;

const label = [{ type: 'https://schema.org/Message', '@type': 'Message', additionalType: ['AIGeneratedContent'] }];
const blockOf = (text: string) => [{ blocks: [{ type: 'context', elements: [{ type: 'plain_text', text }] }] }];

beforeAll(() => ensureBuilt());

/** One process with four channels, and their vendors. */
async function openWorld({ file, environment }: { file?: string; environment?: Readonly<Record<string, string>> }) {
  const mailFaults: GmailFault[] = [];
  const pushed: string[] = [];
  const slack = await startSlackServer();
  const connector = await startBotConnectorServer({ appId: APP_ID, appPassword: 'password' });
  const google = await startKeyServer([googleKey]);
  const gmail = await startGmailServer({
    clock: Date.now,
    onPublish: (_, historyId) => pushed.push(historyId),
    fault: ({ method }) => (method === 'messages.send' ? mailFaults.shift() : undefined),
  });
  const folder = await testFolder();
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  if (file !== undefined) await writeFile(join(folder, 'sallyport.config.js'), file);
  const keys = freshKeys();
  const gate = await startRole({
    role: 'all',
    folder,
    environment: {
      ...keys,
      SALLYPORT_DATA_DIR: join(folder, 'data'),
      SALLYPORT_JWT_SECRET: JWT_SECRET,
      SLACK_API_URL: slack.url,
      TEAMS_APP_ID: APP_ID,
      TEAMS_APP_PASSWORD: 'password',
      TEAMS_OPENID_URL: connector.keys.openidUrl,
      TEAMS_TOKEN_URL: connector.tokenUrl,
      TEAMS_SERVICE_HOSTS: '127.0.0.1',
      TEAMS_OUTGOING_SECRET: SECURITY_TOKEN,
      GMAIL_PUSH_AUDIENCE: AUDIENCE,
      GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
      GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
      GMAIL_TOPIC: 'projects/myproject/topics/gmail',
      GMAIL_MAILBOXES: MAILBOX,
      GOOGLE_JWKS_URL: google.jwksUrl,
      GMAIL_BASE_URL: gmail.url,
      ...environment,
    },
  });
  onTestFinished(async () => {
    await gate.kill();
    await Promise.all([slack.stop(), connector.stop(), google.stop(), gmail.stop()]);
  });
  const post = (path: string, { headers, body }: { headers: Record<string, string>; body: Uint8Array }) =>
    fetch(`${gate.url}${path}`, { method: 'POST', headers, body: new Uint8Array(body) });

  return {
    slack,
    gmail,
    mailFaults,
    async postedInSlack(text: string) {
      const at = Date.now();
      const payload = slackJson(slackMessage({ text, at, channel: 'D0000001' }));
      await post('/hooks/slack/default', signSlackRequest(payload, { signingSecret: keys.SLACK_SIGNING_SECRET, at }));
      await until('the reply is in Slack', () => slack.posts.length > 0);
      return slack.posts;
    },
    async postedInTeams(text: string) {
      const at = Date.now();
      const activity = teamsMessage({ text, at, appId: APP_ID, serviceUrl: connector.serviceUrl });
      await post('/hooks/teams', signTeamsActivity(activity, { key: connector.signingKey, appId: APP_ID, at }));
      await until('the reply is in Teams', () => connector.posts.length > 0);
      return connector.posts.map((one) => one.activity);
    },
    async answeredInTeams(text: string) {
      const at = Date.now();
      const activity = teamsMessage({ text, at, conversationType: 'channel' });
      const signed = signTeamsOutgoing(activity, { securityToken: SECURITY_TOKEN, at });
      return (await post('/hooks/teams/default/outgoing', signed)).json();
    },
    async mailed(text: string) {
      await until('the mailbox is watched', () => gmail.watchedUntil(MAILBOX) !== undefined);
      gmail.mailbox(MAILBOX).deliver({ subject: 'Hi', text });
      const historyId = pushed.at(-1) ?? '';
      const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId, at: Date.now() });
      await post('/hooks/gmail', withToken(push, tokenAt(Date.now())));
      await until('the mail is answered', () => gmail.sent.length > 0);
      return gmail.sent.map((one) => one.text.replaceAll('\r\n', '\n'));
    },
    async chatReply(text: string) {
      const bearer = await new SignJWT({ tenant: 'default', scope: 'chat:read chat:write events:read' })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('ada')
        .setExpirationTime('10m')
        .sign(Buffer.from(JWT_SECRET));
      const headers = { authorization: `Bearer ${bearer}` };
      const sent = await fetch(`${gate.url}/chat`, { method: 'POST', headers, body: JSON.stringify({ text }) });
      const { event } = (await sent.json()) as { event: string };
      let reply: unknown;
      await until('the chat is answered', async () => {
        const shown = await fetch(`${gate.url}/chat/${event}`, { headers });
        ({ reply } = (await shown.json()) as { reply?: unknown });
        return reply !== undefined;
      });
      return reply;
    },
    async ended(count: number) {
      const bearer = await new SignJWT({ tenant: 'default', scope: 'events:read' })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('ada')
        .setExpirationTime('10m')
        .sign(Buffer.from(JWT_SECRET));
      await until('the events are done', async () => {
        const answer = await fetch(`${gate.url}/events?state=done`, { headers: { authorization: `Bearer ${bearer}` } });
        return ((await answer.json()) as { events: unknown[] }).events.length >= count;
      });
    },
  };
}

const file = (tenants = '') => WRITER.replace('TENANTS', tenants);

describe.each([
  ['by default', file(), {}, STANDARD],
  [
    'as the setting says',
    file(),
    { SALLYPORT_AI_DISCLOSURE: 'Our <b>robot</b> wrote this' },
    'Our <b>robot</b> wrote this',
  ],
  [
    'as the tenant says',
    file("tenants: { default: { disclosure: 'Ours' } }"),
    { SALLYPORT_AI_DISCLOSURE: 'off' },
    'Ours',
  ],
] as const)('a reply of an agent says %s that a model wrote it', (_, written, environment, text) => {
  test('in every channel, outside the text', async () => {
    const world = await openWorld({ file: written, environment });
    expect(await world.postedInSlack('one')).toMatchObject([
      { text: 'about one', arguments: { attachments: blockOf(text) } },
    ]);
    expect(await world.postedInTeams('two')).toMatchObject([{ text: 'about two', entities: label }]);
    expect(await world.answeredInTeams('three')).toMatchObject({ text: 'about three', entities: label });
    expect(await world.mailed('four')).toEqual([`about Hi\n\nfour\n\n---\n${text}`]);
    expect(await world.chatReply('five')).toEqual({ text: 'about five', disclosure: text });
  });
});

test.each([
  ['of an agent with the setting off', file(), { SALLYPORT_AI_DISCLOSURE: 'off' }, 'about'],
  ['of echo', undefined, { SALLYPORT_AGENT: 'echo' }, 'echo:'],
] as const)('a reply %s says nothing', async (_, written, environment, word) => {
  const world = await openWorld({ ...(written !== undefined && { file: written }), environment });
  const [posted] = await world.postedInSlack('one');
  expect(posted?.arguments).not.toHaveProperty('attachments');
  expect((await world.postedInTeams('two'))[0]).not.toHaveProperty('entities');
  expect(await world.answeredInTeams('three')).toEqual({ type: 'message', text: `${word} three` });
  expect(await world.mailed('four')).toEqual([`${word} Hi\n\nfour`]);
  expect(await world.chatReply('five')).toEqual({ text: `${word} five` });
});

test('a reply whose answer was lost is found, and the disclosure is posted once', async () => {
  const world = await openWorld({ file: file() });
  world.slack.failNext({ kind: 'drop', after: 'effect' });
  world.mailFaults.push('lost-answer');
  await world.postedInSlack('one');
  await world.mailed('four');
  await world.ended(2);
  expect(world.slack.posts).toMatchObject([{ text: 'about one', arguments: { attachments: blockOf(STANDARD) } }]);
  expect(world.gmail.sent).toHaveLength(1);
});

describe('mail through Graph', () => {
  let gate: GraphGate | undefined;
  afterEach(() => gate?.stop());

  const writer = (text: string): Agent => ({ name: 'writer', run: async () => ({ kind: 'reply', text }) });
  const answerWith = async (text: string, disclosure: string, isLost = false) => {
    const faults = isLost ? [{ kind: 'drop', after: 'effect' } as const] : [];
    gate = await openGraphGate({
      keep: ['users/agent@example.com/messages'],
      changeType: 'created',
      agent: writer(text),
      disclosure,
      graph: { fault: ({ path }) => (path.endsWith('/reply') ? faults.shift() : undefined) },
    });
    await gate.keep();
    gate.graph.mail('agent@example.com', { text: 'ping', subject: 'this' });
    await gate.graph.pushes.deliver();
    await gate.work();
    gate.clock.advance(2_000);
    await gate.work();
    return { replies: gate.graph.replies, states: (await gate.events()).map(({ state }) => state) };
  };

  test.each([false, true])('ends with the text, once; its answer lost: %s', async (isLost) => {
    const { replies, states } = await answerWith('plain', STANDARD, isLost);
    expect(replies).toMatchObject([{ text: `plain\n\n---\n${STANDARD}` }]);
    expect(states).toContain('done');
  });

  test('says it in HTML where the reply is HTML, escaped', async () => {
    const { replies } = await answerWith('**bold**', 'a <b>');
    expect(replies[0]?.message).toMatchObject({
      body: {
        contentType: 'html',
        content: '<p><strong>bold</strong></p>\n<hr>\n<p><small>a &lt;b&gt;</small></p>',
      },
    });
  });
});
