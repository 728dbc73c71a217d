import { describe, expect, onTestFinished, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import {
  type SlackBody,
  signSlackRequest,
  slackForm,
  slackInteraction,
  slackJson,
  slackMessage,
} from '../../src/testing/slack/signer.ts';
import { type SampleSecret, sampleSecrets } from '../fixtures/secrets.ts';
import { freshKeys, seeded } from '../support/campaign.ts';
import { holds, leaks } from '../support/canary/search.ts';
import { wordsOf } from '../support/canary/words.ts';
import { type CanaryWorld, openCanary } from '../support/canary/world.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';

const secrets = sampleSecrets(seeded(20_261));

/** Slack's own, which let whoever has them act, or prove nothing any more. */
const TOKEN = 'deprecated-verification-token';
const TRIGGER = '13345224609.738474920.8088930838d88f008e0';

/** Every payload a person can put a secret into, with the secret in every field that holds words. */
function payloads({ text }: SampleSecret, responseUrl: string, n: number): SlackBody[] {
  const channel = `C${String(n).padStart(8, '0')}`;
  const post = slackMessage({ text, channel, at: Date.now() }) as { event: object };
  const words = wordsOf(text);
  const rich = { blocks: [{ type: 'section', text: { type: 'mrkdwn', text } }], attachments: [words], metadata: words };
  const files = [{ id: 'F0000001', name: text, title: text, preview: Buffer.from(text).toString('base64') }];
  const person = { id: 'U0SENDER', username: text, name: text, team_id: 'T0SALLYPORT' };
  const common = { team: { id: 'T0SALLYPORT', domain: text }, user: person, api_app_id: 'A0SALLYPORT', token: TOKEN };
  const action = { action_id: 'a', block_id: 'b', value: text, action_ts: `${n}.000100`, type: 'button' };
  const values = { block: { field: { type: 'plain_text_input', value: text } } };
  return [
    slackJson({ ...post, token: TOKEN, event: { ...post.event, ...rich, files }, note: words }),
    slackForm({
      command: '/ask',
      text,
      token: TOKEN,
      user_id: 'U0SENDER',
      user_name: text,
      channel_id: channel,
      channel_name: text,
      team_id: 'T0SALLYPORT',
      api_app_id: 'A0SALLYPORT',
      trigger_id: `${n}.1.${TRIGGER}`,
      response_url: responseUrl,
    }),
    slackInteraction({
      ...common,
      type: 'block_actions',
      trigger_id: `${n}.2.${TRIGGER}`,
      response_url: responseUrl,
      container: { type: 'message', message_ts: `${n}.000200`, channel_id: channel },
      channel: { id: channel, name: text },
      message: { ts: `${n}.000200`, text, ...rich },
      actions: [action],
      state: { values },
    }),
    slackInteraction({
      ...common,
      type: 'view_submission',
      trigger_id: `${n}.3.${TRIGGER}`,
      view: { id: `V${n}`, hash: `${n}.x`, private_metadata: text, state: { values }, title: { text } },
    }),
  ];
}

/** Sends every payload of every kind; some replies fail, some for good, and the process is killed on the way. */
async function play(world: CanaryWorld, slack: SlackServer, signingSecret: string): Promise<Record<string, string>> {
  const dropped: Record<string, string> = { token: TOKEN, trigger: TRIGGER, 'signing secret': signingSecret };
  for (const [index, secret] of secrets.entries()) {
    if (index % 7 === 3) slack.failNext({ kind: 'status', status: 503, method: 'chat.postMessage' });
    if (index % 7 === 5) slack.failNext({ kind: 'error', error: 'channel_not_found', method: 'chat.postMessage' });
    if (index % 7 === 6) slack.failNext({ kind: 'garbage', body: secret.text, method: 'chat.postMessage' });
    if (index === 20) await world.crash();
    const responseUrl = slack.responseUrl();
    dropped[`response URL ${index}`] = responseUrl;
    for (const body of payloads(secret, responseUrl, index)) {
      const signed = signSlackRequest(body, { signingSecret, at: Date.now() });
      dropped.signature = signed.headers['x-slack-signature'] ?? '';
      const { status, outcome } = await world.post('/hooks/slack/default', signed);
      expect([status, outcome], secret.kind).toEqual([200, 'accepted']);
    }
  }
  return dropped;
}

function slackCanary(redis: () => Promise<RedisServer | undefined>): void {
  test(
    'none is in the store, the logs, the metrics, the command line or a reply',
    async () => {
      const slack = await startSlackServer();
      onTestFinished(() => slack.stop());
      const { SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN } = freshKeys();
      const environment = { SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN, SLACK_API_URL: slack.url };
      const world = await openCanary({ redis: await redis(), environment });
      const dropped = await play(world, slack, SLACK_SIGNING_SECRET);
      const states = await world.settled();
      expect(states.size).toBe(secrets.length * 4);
      expect(new Set(states.values())).toEqual(new Set(['done', 'parked']));
      const places = new Map(await world.places());
      places.set('replies', Buffer.from(JSON.stringify(slack.posts.map(({ text, arguments: all }) => [text, all]))));
      expect(leaks(secrets, places)).toEqual([]);
      expect(holds(places, { ...dropped, 'bot token': SLACK_BOT_TOKEN })).toEqual([]);
    },
    CAMPAIGN_MS,
  );
}

test('there are at least 40 kinds, and the search would find them however they are written', () => {
  expect(secrets.length).toBeGreaterThanOrEqual(40);
  const everything = secrets.map(({ text }) => text).join('\n');
  const spellings = [everything, ...['', 'x', 'xx'].map((lead) => Buffer.from(lead + everything).toString('base64'))];
  for (const text of [
    ...spellings,
    JSON.stringify({ a: JSON.stringify([everything]) }),
    encodeURIComponent(everything),
  ]) {
    expect(leaks(secrets, new Map([['a text', Buffer.from(text)]]))).toHaveLength(secrets.length);
  }
});

describe('secrets of every kind in every field of Slack’s payloads', () => slackCanary(async () => undefined));

describeRedis('secrets of every kind in every field of Slack’s payloads, on Redis', () =>
  slackCanary(async () => {
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    return redis;
  }),
);
