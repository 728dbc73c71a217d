import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type BotConnectorServer, startBotConnectorServer } from '../../src/testing/teams/bot-connector-server.ts';
import {
  signTeamsActivity,
  signTeamsOutgoing,
  type TeamsActivity,
  teamsMessage,
} from '../../src/testing/teams/signer.ts';
import { sampleSecrets } from '../fixtures/secrets.ts';
import { seeded } from '../support/campaign.ts';
import { holds, leaks } from '../support/canary/search.ts';
import { wordsOf } from '../support/canary/words.ts';
import { type CanaryWorld, openCanary } from '../support/canary/world.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';

const APP_ID = '3851a47b-53ed-4d29-b878-6e941da61e98';
const SECURITY_TOKEN = randomBytes(32).toString('base64');

const secrets = sampleSecrets(seeded(20_262));

/** A message with the secret in every field that holds words, also in those nobody reads. */
function messageOf(text: string, conversation: string, serviceUrl: string): TeamsActivity {
  const base = teamsMessage({ text, at: Date.now(), appId: APP_ID, conversation, serviceUrl });
  const words = wordsOf(text);
  const named = (account: unknown) => ({ ...(account as object), name: text, note: words });
  const link = `https://files.example.com/?q=${encodeURIComponent(text)}`;
  return {
    ...base,
    from: named(base.from),
    recipient: named(base.recipient),
    conversation: named(base.conversation),
    topicName: text,
    summary: text,
    speak: text,
    label: text,
    attachments: [
      { contentType: 'application/vnd.microsoft.card.hero', name: text, content: words, contentUrl: link },
      { contentType: 'text/html', content: `<div>${text}</div>` },
    ],
    entities: [
      { type: 'clientInfo', ...words },
      { type: 'mention', text: `<at>${text}</at>`, mentioned: { id: '29:other', name: text } },
    ],
    channelData: { ...(base.channelData as object), team: { name: text }, channel: { name: text }, words },
    suggestedActions: { actions: [{ type: 'imBack', title: text, value: text }] },
    [text]: text,
  };
}

/** What a person says to the bot, fills in on a card, and presses. */
function activitiesOf(text: string, n: number, serviceUrl: string): TeamsActivity[] {
  const said = messageOf(text, `a:1canary${n}`, serviceUrl);
  const words = wordsOf(text);
  const pressed = { action: { type: 'Action.Execute', verb: text, data: { note: text, words } }, trigger: 'manual' };
  return [
    said,
    { ...said, id: `${said.id}1`, text: '', value: { note: text, ...words } },
    { ...said, id: `${said.id}2`, type: 'invoke', name: 'adaptiveCard/action', value: pressed },
    { ...said, id: `${said.id}3`, type: 'invoke', name: text, value: { parameters: [{ name: text, value: text }] } },
  ];
}

interface Played {
  readonly answers: string[];
  /** What proves who sent it, and must be gone once it has. */
  readonly proofs: Record<string, string>;
}

async function play(world: CanaryWorld, connector: BotConnectorServer): Promise<Played> {
  const answers: string[] = [];
  const proofs: Record<string, string> = {};
  for (const [index, { kind, text }] of secrets.entries()) {
    if (index % 7 === 3) connector.failNext({ kind: 'status', status: 503, at: 'conversations' });
    if (index % 7 === 5) connector.failNext({ kind: 'status', status: 404, at: 'conversations' });
    if (index === 20) await world.crash();
    for (const activity of activitiesOf(text, index, connector.serviceUrl)) {
      const signing = { key: connector.signingKey, appId: APP_ID, at: Date.now() };
      const signed = signTeamsActivity(activity, signing);
      proofs.token = signed.headers.authorization?.split(' ')[1] ?? '';
      const { status, outcome, body } = await world.post('/hooks/teams', signed);
      expect([status, outcome], kind).toEqual([expect.toSatisfy((code) => code === 200 || code === 202), 'accepted']);
      answers.push(body);
    }
    const named = messageOf(`<at>Sallyport</at> ${text}`, `19:canary${index}@thread.tacv2`, connector.serviceUrl);
    const signed = signTeamsOutgoing(named, { securityToken: SECURITY_TOKEN, at: Date.now() });
    proofs.hmac = signed.headers.authorization?.split(' ')[1] ?? '';
    const { status, body } = await world.post('/hooks/teams/default/outgoing', signed);
    expect(status, kind).toBe(200);
    answers.push(body);
  }
  return { answers, proofs };
}

describe('secrets of every kind in every field of Teams activities', () => {
  test(
    'none is in the store, the logs, the metrics, the command line, a reply or an answer',
    async () => {
      const connector = await startBotConnectorServer({ appId: APP_ID, appPassword: 'password' });
      onTestFinished(() => connector.stop());
      const world = await openCanary({
        environment: {
          TEAMS_APP_ID: APP_ID,
          TEAMS_APP_PASSWORD: 'password',
          TEAMS_OPENID_URL: connector.keys.openidUrl,
          TEAMS_TOKEN_URL: connector.tokenUrl,
          TEAMS_SERVICE_HOSTS: '127.0.0.1',
          TEAMS_OUTGOING_SECRET: SECURITY_TOKEN,
        },
      });
      const { answers, proofs } = await play(world, connector);
      const states = await world.settled();
      expect(states.size).toBe(secrets.length * 5);
      expect(new Set(states.values())).toEqual(new Set(['done', 'parked']));
      const places = new Map(await world.places());
      expect(connector.posts.length).toBeGreaterThan(secrets.length);
      expect(answers.filter((answer) => answer.includes('[secret:')).length).toBeGreaterThan(secrets.length);
      places.set('replies', Buffer.from(JSON.stringify(connector.posts)));
      places.set('answers', Buffer.from(answers.join('\n')));
      expect(leaks(secrets, places)).toEqual([]);
      const ours = {
        'our token': 'connector-token-',
        'service URL': connector.serviceUrl,
        'webhook key': SECURITY_TOKEN,
      };
      expect(holds(places, { ...proofs, ...ours })).toEqual([]);
    },
    CAMPAIGN_MS,
  );
});
