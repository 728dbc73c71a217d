import { expect, onTestFinished, test } from 'vitest';
import { type HttpAgentServer, startHttpAgentServer } from '../../src/testing/agents/http-agent-server.ts';
import { gmailPush, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { startGmailServer } from '../../src/testing/gmail/server.ts';
import { startGraphServer } from '../../src/testing/graph/server.ts';
import { graphDelivery, graphItem } from '../../src/testing/graph/signer.ts';
import { startKeyServer } from '../../src/testing/keys/key-server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import { signTeamsActivity, teamsMessage } from '../../src/testing/teams/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { holds } from '../support/canary/search.ts';
import { type CanaryWorld, openCanary } from '../support/canary/world.ts';
import { sleep } from '../support/clock.ts';
import { AUDIENCE, googleKey, MAILBOX, SERVICE_ACCOUNT, SUBSCRIPTION, tokenAt } from '../support/gmail.ts';
import { AGENT_SECRET } from '../support/http-agent.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';

/**
 * Each of these is recognised in a sentence and by nothing else: chosen by a person, made by a machine, and a plain word.
 * Channels repeat what somebody wrote in other strings of the same delivery, where the sentence is missing.
 */
const VALUES = {
  chosen: ['Blue-Harbor', '&', '42x'].join(''),
  generated: ['q7Rt2Lw9', 'Zp4Vn8Xc'].join(''),
  word: ['sword', 'fish'].join(''),
};
const sentence = (value: string): string => `the password is \`${value}\``;
const escaped = (value: string): string => value.replaceAll('&', '&amp;');
const htmlOf = (value: string): string => `<p>the password is</p><p><code>${escaped(value)}</code></p>`;

const spellings = Object.fromEntries(
  Object.entries(VALUES).flatMap(([kind, value]) => [
    [kind, value],
    [`${kind} as HTML`, escaped(value)],
    [`${kind} as JSON`, value.replaceAll('&', '\\u0026')],
  ]),
);

async function openWorld(environment: Record<string, string>, redis?: RedisServer) {
  const agent = await startHttpAgentServer({ secret: AGENT_SECRET });
  onTestFinished(() => agent.stop());
  const world = await openCanary({
    redis,
    publicUrlIn: ['SALLYPORT_PUBLIC_URL'],
    environment: {
      ...environment,
      SALLYPORT_AGENT: 'http',
      SALLYPORT_AGENT_URL: agent.url,
      SALLYPORT_AGENT_SECRET: AGENT_SECRET,
      SALLYPORT_BUDGET_USD_DAY: 'unlimited',
    },
  });
  return { world, agent };
}

/** Nothing of the values is stored, logged, shown or sent; and the sentence itself did arrive. */
async function expectNone(world: CanaryWorld, agent: HttpAgentServer): Promise<void> {
  const kinds = Object.keys(VALUES).length;
  await expect.poll(() => agent.requests.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(kinds);
  await world.settled();
  const places = new Map(await world.places());
  places.set('requests to the agent', Buffer.from(agent.requests.map(({ body }) => body).join('\n')));
  expect(holds(places, spellings)).toEqual([]);
  for (const { event } of agent.requests) {
    expect(event.text).toMatch(/the password is [`\s]*\[secret:/);
    expect(JSON.stringify(event.payload).match(/\[secret:/g)?.length).toBeGreaterThanOrEqual(2);
  }
}

async function slackJourney(redis?: RedisServer): Promise<void> {
  const { SLACK_SIGNING_SECRET } = freshKeys();
  const { world, agent } = await openWorld({ SLACK_SIGNING_SECRET }, redis);
  for (const [n, value] of Object.values(VALUES).entries()) {
    const said = slackMessage({ text: sentence(value), channel: `D${n}0000000`, at: Date.now() }) as { event: object };
    const elements = [
      { type: 'text', text: 'the password is ' },
      { type: 'text', text: value, style: { code: true } },
    ];
    const blocks = [{ type: 'rich_text', block_id: 'b1', elements: [{ type: 'rich_text_section', elements }] }];
    const body = slackJson({ ...said, event: { ...said.event, blocks } });
    const signed = signSlackRequest(body, { signingSecret: SLACK_SIGNING_SECRET, at: Date.now() });
    expect((await world.post('/hooks/slack/default', signed)).outcome).toBe('accepted');
  }
  await expectNone(world, agent);
}

test('Slack: a secret told in the text is in no element of its blocks', () => slackJourney(), 120_000);

describeRedis('on Redis', () => {
  test('Slack: a secret told in the text is in no element of its blocks, no key and no append-only file', async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    await slackJourney(redis);
  }, 120_000);
});

test('Teams: a secret told in the text is in no attachment', async () => {
  const appId = '3851a47b-53ed-4d29-b878-6e941da61e98';
  const connector = await startBotConnectorServer({ appId, appPassword: 'password' });
  onTestFinished(() => connector.stop());
  const { world, agent } = await openWorld({
    TEAMS_APP_ID: appId,
    TEAMS_APP_PASSWORD: 'password',
    TEAMS_OPENID_URL: connector.keys.openidUrl,
    TEAMS_TOKEN_URL: connector.tokenUrl,
    TEAMS_SERVICE_HOSTS: '127.0.0.1',
  });
  for (const [n, value] of Object.values(VALUES).entries()) {
    const { serviceUrl, signingKey: key } = connector;
    const said = teamsMessage({
      text: sentence(value),
      at: Date.now(),
      appId,
      conversation: `a:1repeat${n}`,
      serviceUrl,
    });
    const attachments = [
      { contentType: 'text/html', content: htmlOf(value) },
      { contentType: 'application/vnd.microsoft.card.hero', content: { title: 'Keep it', text: value } },
    ];
    const signed = signTeamsActivity({ ...said, attachments }, { key, appId, at: Date.now() });
    expect((await world.post('/hooks/teams', signed)).outcome).toBe('accepted');
  }
  await expectNone(world, agent);
}, 120_000);

test('Graph: a secret told in a mail is neither in its subject nor in its preview', async () => {
  const mailbox = 'agent@example.com';
  const graph = await startGraphServer({ disturb: () => ({ copies: 0 }) });
  onTestFinished(() => graph.stop());
  const { world, agent } = await openWorld({
    GRAPH_TENANT_ID: graph.tenantId,
    GRAPH_CLIENT_ID: graph.clientId,
    GRAPH_CLIENT_SECRET: graph.clientSecret,
    GRAPH_SUBSCRIPTIONS: `users/${mailbox}/messages`,
    GRAPH_BASE_URL: graph.url,
    GRAPH_AUTHORITY_URL: graph.url,
    GRAPH_JWKS_URL: graph.jwksUrl,
  });
  while (graph.subscriptions().length === 0) await sleep(20);
  for (const value of Object.values(VALUES)) {
    const fields = {
      subject: value,
      bodyPreview: `${sentence(value).slice(4)}`,
      categories: [],
      uniqueBody: { content: value },
    };
    const id = graph.mail(mailbox, { text: sentence(value), fields });
    for (const { id: subscriptionId, clientState = '', expiresAt, notificationUrl } of graph.subscriptions()) {
      const common = { subscriptionId, tenantId: graph.tenantId, clientState, expiresAt };
      const item = graphItem({ ...common, id, resource: `Users/${mailbox}/Messages/${id}` });
      await world.post(new URL(notificationUrl).pathname, graphDelivery([item], []));
    }
  }
  await expectNone(world, agent);
}, 120_000);

test('Gmail: a secret told in the plain text of a mail is neither in its subject nor beside its addresses', async () => {
  const google = await startKeyServer([googleKey]);
  const gmail = await startGmailServer({ clock: Date.now });
  onTestFinished(() => Promise.all([google.stop(), gmail.stop()]).then(() => {}));
  const { world, agent } = await openWorld({
    GMAIL_PUSH_AUDIENCE: AUDIENCE,
    GMAIL_PUSH_SERVICE_ACCOUNT: SERVICE_ACCOUNT,
    GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
    GMAIL_TOPIC: 'projects/myproject/topics/gmail',
    GMAIL_MAILBOXES: MAILBOX,
    GOOGLE_JWKS_URL: google.jwksUrl,
    GMAIL_BASE_URL: gmail.url,
  });
  while (gmail.watchedUntil(MAILBOX) === undefined) await sleep(20);
  for (const value of Object.values(VALUES)) {
    gmail.mailbox(MAILBOX).deliver({
      subject: value,
      // A plain word stays inside a longer string.
      headers: value === VALUES.word ? {} : { Cc: `"${value}" <b@example.org>` },
      parts: [
        { mimeType: 'text/plain', data: sentence(value) },
        { mimeType: 'text/html', data: htmlOf(value) },
      ],
    });
  }
  const historyId = String(gmail.mailbox(MAILBOX).historyId());
  const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId, at: Date.now() });
  expect((await world.post('/hooks/gmail', withToken(push, tokenAt(Date.now())))).outcome).toBe('accepted');
  await expectNone(world, agent);
}, 120_000);
