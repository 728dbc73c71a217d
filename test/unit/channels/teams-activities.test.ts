import { describe, expect, it } from 'vitest';
import type { Channel, Delivery, Received } from '../../../src/channels/channel.ts';
import { readMarkdown } from '../../../src/channels/shared/markdown/read.ts';
import { createTeamsBotChannel, type TeamsBotChannelDeps } from '../../../src/channels/teams/module.ts';
import { teamsMatchPolicy } from '../../../src/channels/teams/receive/candidate.ts';
import { ProvenSender } from '../../../src/channels/teams/receive/verify.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../../src/core/identity.ts';
import { createScrubber } from '../../../src/scrub/scrubber.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { prepare } from '../../../src/server/hooks/prepare.ts';
import { TEAMS_SERVICE_URL, type TeamsActivity } from '../../../src/testing/teams/signer.ts';
import { APP_ID, said } from '../../support/teams.ts';

const at = 1_900_000_000_000;
const key = new Uint8Array(32).fill(7);
const TENANT_ID = '72f988bf-86f1-41af-91ab-2d7cd011db47';

const channel = (overrides: Partial<TeamsBotChannelDeps> = {}): Channel =>
  createTeamsBotChannel({
    identifier: createIdentifier(nodeCrypto, key),
    windowMs: 86_400_000,
    bodyLimit: 1024 * 1024,
    outcomeHeaders: true,
    readMarkdown,
    appId: APP_ID,
    issuer: 'https://api.botframework.com',
    jwks: { find: async () => [] },
    match: teamsMatchPolicy(),
    clock: () => at,
    ...overrides,
  });

/** An activity whose token has been verified. */
const delivery = (activity: TeamsActivity): Delivery => ({
  tenant: 'acme',
  receivedAt: at,
  headers: new Headers(),
  url: 'https://gate.example/hooks/teams/acme',
  body: Buffer.from(JSON.stringify(activity)),
  proof: new ProvenSender(TEAMS_SERVICE_URL, ['msteams']),
});

const receive = (activity: TeamsActivity, to: Channel = channel()): Received =>
  to.receive(delivery(activity)) as Received;

/** The event an activity makes; fails the test when it makes none. */
function eventOf(activity: TeamsActivity, to?: Channel) {
  const [parsed] = receive(activity, to).events;
  if (parsed === undefined) throw new Error('the activity made no event');
  return parsed.event;
}

function fate(activity: TeamsActivity, to?: Channel): string {
  const { events, refused } = receive(activity, to);
  const [first] = refused;
  return first === undefined ? `accepted ${events[0]?.event.kind}` : `${first.outcome}: ${first.reason}`;
}

const hello = said({ text: 'hello', at, tenantId: TENANT_ID });
const bot = { id: `28:${APP_ID}`, name: 'Sallyport' };
const typed = (type: string, more: object = {}): TeamsActivity => ({ ...hello, type, ...more });

describe('what is run', () => {
  it.each([
    ['a message', hello, 'accepted message'],
    ['a card that was filled in', { ...hello, text: undefined, value: { choice: 'yes' } }, 'accepted message'],
    ['an invoke', typed('invoke', { name: 'task/fetch' }), 'accepted invoke'],
    [
      'somebody signing in',
      typed('invoke', { name: 'signin/tokenExchange', value: { token: 'x' } }),
      'ignored: sign_in',
    ],
    ['an edit', typed('messageUpdate'), 'ignored: edit'],
    ['a deletion', typed('messageDelete'), 'ignored: deletion'],
    ['a reaction', typed('messageReaction'), 'ignored: no_agent'],
    ['somebody who joined', typed('conversationUpdate', { id: undefined }), 'ignored: no_agent'],
    ['an installation', typed('installationUpdate'), 'ignored: no_agent'],
    ['somebody typing', typed('typing'), 'ignored: no_agent'],
    ['our own message', { ...hello, from: bot }, 'ignored: own_message'],
    ['our own message on Web Chat', { ...hello, from: { id: APP_ID } }, 'ignored: own_message'],
    ['our own edit', typed('messageUpdate', { from: bot }), 'ignored: own_message'],
    ["another bot's message", { ...hello, from: { id: '28:other' } }, 'ignored: bot_message'],
    [
      'a message of somebody with the role of a bot',
      { ...hello, from: { id: 'x', role: 'bot' } },
      'ignored: bot_message',
    ],
  ] as const)('%s is %s', (_, activity, expected) => {
    expect(fate(activity)).toBe(expected);
  });

  it('listed types are run', () => {
    const listening = channel({
      match: teamsMatchPolicy({ activityTypes: ['messageReaction', 'conversationUpdate'] }),
    });
    expect(fate(typed('messageReaction'), listening)).toBe('accepted messageReaction');
    expect(fate(typed('conversationUpdate', { id: undefined, from: undefined }), listening)).toBe(
      'accepted conversationUpdate',
    );
    expect(fate(typed('messageUpdate'), listening)).toBe('ignored: edit');
  });

  it('with mentionsOnly a channel is heard when the bot is named, and a personal chat always', () => {
    const shy = channel({ match: teamsMatchPolicy({ mentionsOnly: true }) });
    const named = said({ text: 'hello', at, conversationType: 'channel' });
    expect(fate(hello, shy)).toBe('accepted message');
    expect(fate(named, shy)).toBe('accepted message');
    expect(fate({ ...named, entities: [] }, shy)).toBe('ignored: no_agent');
  });
});

describe('the tenant of a single-tenant bot', () => {
  const single = channel({ tenantId: TENANT_ID });
  const conversation = hello.conversation as object;

  it.each([
    ['its own tenant', hello, 'accepted message'],
    [
      'its own tenant in other letters',
      { ...hello, channelData: { tenant: { id: TENANT_ID.toUpperCase() } } },
      'accepted message',
    ],
    ['its own tenant in the conversation', { ...hello, channelData: undefined }, 'accepted message'],
    ['another tenant', { ...hello, channelData: { tenant: { id: 'other' } } }, 'ignored: other_tenant'],
    [
      'another tenant in the conversation',
      { ...hello, channelData: {}, conversation: { ...conversation, tenantId: 'other' } },
      'ignored: other_tenant',
    ],
    [
      'no tenant at all',
      { ...hello, channelData: undefined, conversation: { ...conversation, tenantId: undefined } },
      'ignored: other_tenant',
    ],
  ] as const)('%s', (_, activity, expected) => {
    expect(fate(activity, single)).toBe(expected);
  });

  it('does not matter to a bot that anybody may install', () => {
    expect(fate({ ...hello, channelData: { tenant: { id: 'other' } } })).toBe('accepted message');
  });
});

describe('what was said', () => {
  const mention = (text: string, id = bot.id) => ({ type: 'mention', mentioned: { id }, text });

  it.each([
    ['<at>Sallyport</at> hello', [mention('<at>Sallyport</at>')], 'hello', true],
    ['<at>Sallyport</at>&nbsp;hello\n', [mention('<at>Sallyport</at>')], 'hello', true],
    ['please <at>Sallyport</at>, hello', [mention('<at>Sallyport</at>')], 'please  , hello', true],
    ['<at>Ann</at> hello', [mention('<at>Ann</at>', '29:1ann')], '<at>Ann</at> hello', false],
    ['<at>Sallyport</at> hello', undefined, '<at>Sallyport</at> hello', false],
    ['hello', [{ type: 'clientInfo' }, { type: 'mention' }, null], 'hello', false],
  ] as const)('of %j with %j the agent reads %j', (text, entities, expected, mentioned) => {
    expect(eventOf({ ...hello, text, entities })).toMatchObject({ text: expected, mentioned });
  });

  it('mentions are known by the id that Teams gave the bot, too', () => {
    const recipient = { id: 'bot-of-web-chat' };
    expect(eventOf({ ...hello, recipient, entities: [mention('@bot', recipient.id)] }).mentioned).toBe(true);
  });

  it.each([
    ['a filled card', { ...hello, text: '', value: { choice: 'yes', note: 'soon', empty: '' } }, 'yes\nsoon'],
    [
      'a card action',
      typed('invoke', { text: undefined, name: 'adaptiveCard/action', value: { action: { data: { q: 'why' } } } }),
      'why',
    ],
    [
      'a search',
      typed('invoke', {
        text: undefined,
        name: 'composeExtension/query',
        value: { parameters: [{ name: 'q', value: 'cats' }] },
      }),
      'cats',
    ],
    ['a form', typed('invoke', { text: undefined, name: 'task/submit', value: { data: { name: 'Ann' } } }), 'Ann'],
    ['nothing', typed('invoke', { text: undefined, name: 'task/fetch', value: null }), ''],
  ] as const)('of %s the agent reads what was filled in', (_, activity, expected) => {
    expect(eventOf(activity).text).toBe(expected);
  });
});

describe('the identity', () => {
  const identity = (activity: TeamsActivity) => eventOf(activity).identity;
  const listening = channel({ match: teamsMatchPolicy({ activityTypes: ['messageReaction'] }) });

  it('is the same for a re-sent message whatever its timestamp and envelope', () => {
    const again = {
      ...hello,
      timestamp: '2031-01-01T00:00:00Z',
      channelData: { tenant: { id: TENANT_ID }, x: 1 },
      locale: 'de',
    };
    expect(identity(again)).toEqual(identity(hello));
  });

  it.each([
    ['the id', { id: '1' }],
    ['the conversation', { conversation: { id: 'a:2' } }],
  ])('differs by %s', (_, more) => {
    expect(identity({ ...hello, ...more }).key).not.toBe(identity(hello).key);
  });

  it.each([
    ['the text', { text: 'Hello' }],
    ['the author', { from: { id: '29:1other' } }],
    ['the filled in values', { value: { a: 1 } }],
    ['the attachments', { attachments: [{ contentType: 'image/png', name: 'x.png' }] }],
  ])('is a conflict by %s', (_, more) => {
    const other = identity({ ...hello, ...more });
    expect(other.key).toBe(identity(hello).key);
    expect(other.fingerprint).not.toBe(identity(hello).fingerprint);
  });

  it('of a reaction is not that of the message it names, nor that of the next reaction', () => {
    const reaction = (timestamp: string) => eventOf(typed('messageReaction', { timestamp }), listening).identity.key;
    const keys = new Set([identity(hello).key, reaction('2030-01-01T00:00:00Z'), reaction('2030-01-01T00:00:01Z')]);
    expect(keys.size).toBe(3);
  });

  it('is scoped by tenant and by app', () => {
    const elsewhere = channel().receive({ ...delivery(hello), tenant: 'other' }) as Received;
    expect(elsewhere.events[0]?.event.identity.key).not.toBe(identity(hello).key);
    expect(eventOf(hello, channel({ appId: 'another-app' })).identity.key).not.toBe(identity(hello).key);
  });

  it('of a channel message belongs to the thread that Teams names in the conversation', () => {
    const { conversation } = eventOf(said({ text: 'x', at, conversationType: 'channel' }));
    expect(conversation.name).toBe('19:sallyport@thread.tacv2;messageid=1700000000000');
  });
});

describe('what becomes of the payload', () => {
  it('links and tokens that carry their own permission are taken out', () => {
    const activity = {
      ...hello,
      value: { token: 'sso-token-1', uploadInfo: { uploadUrl: 'https://x.sharepoint.com/up?tempauth=1', name: 'a' } },
      attachments: [{ contentType: 'x', name: 'b', content: { downloadUrl: 'https://x.sharepoint.com/d?tempauth=2' } }],
    };
    const { payload, text } = eventOf(activity);
    expect(eventOf({ ...activity, text: undefined }).text).toBe('');
    expect(JSON.stringify([payload, text])).not.toMatch(/sso-token|tempauth|smba\.trafficmanager/);
    expect(payload).toMatchObject({ value: { uploadInfo: { name: 'a' } }, attachments: [{ name: 'b' }] });
  });

  it('the reference it takes to answer is sealed, and only where an answer is posted', () => {
    const capabilities = (activity: TeamsActivity) => receive(activity).events[0]?.capabilities;
    expect(JSON.parse(capabilities(hello)?.conversation_reference ?? '')).toEqual({
      serviceUrl: TEAMS_SERVICE_URL,
      conversationId: 'a:1sallyport',
      activityId: hello.id,
      bot: { id: bot.id },
    });
    expect(capabilities(typed('invoke'))).toEqual({});
    expect(capabilities({ ...hello, deliveryMode: 'expectReplies' })).toEqual({});
  });

  it.each([
    [
      'a:1pL6i0oY3C0K8oAj8rjKTn02r2mY9b3Zc0fUO5kQ4l8Wl7J3sZt6xV2nE4hM8qG5dR1cB0yX',
      '1:18vT3',
      '29:1bHZ-Kh8f6cFhVpqm2ywbGTLbBlBd0ck8uR4uNFW5tMkV2gF8x4oC8xvBsh2MCdWQ',
    ],
    [
      '19:253b1f341670408fb6fe51050b6e5ceb@thread.skype;messageid=1481567603816',
      '1485983408511',
      '29:1XJKJMvc5GBtc2JwZq0oj8tHZmzrQgFmB39ATiQWA85gQtHieVkKilBZ9XHoq9j7Zaqt7CZ-NJWi7me2kHTL3Bw',
    ],
    [
      '19:meeting_MGJmYjMxNTQtNGQ4ZC00NDBmLTg4YTctOGM3ZjM4MzRmZDYw@thread.v2',
      'f:5d8fb1f8-7b3f-0c1e-6c5b-f0b1c0f0a8d1',
      '29:1a7e',
    ],
    [
      '19:3c0d1ea4-5a6e-4b1c-9a1e-0f8ad9d1a111_9f2c1c5b-0f33-4d6e-8a54-6c1de2b3f222@unq.gbl.spaces',
      '1616990032035',
      '29:1',
    ],
    ['8tfJ1YbFq0OKoRkxGwPqZ5-us|0000003', '8tfJ1YbFq0OKoRkxGwPqZ5-us|0000003', 'dl_7c5f0b6b'],
  ])('ids as Teams writes them are not taken for secrets: %s', (conversation, id, from) => {
    const received = receive(said({ text: 'hello', at, conversation, id, from }));
    const scrub = createScrubber({ crypto: nodeCrypto, key });
    const prepared = prepare(received, { scrub, sealer: createSealer(nodeCrypto, [key]) });
    expect(prepared.refused).toEqual([]);
    expect(prepared.events).toHaveLength(1);
  });
});

describe('the proof', () => {
  it.each([undefined, null, {}, { serviceUrl: TEAMS_SERVICE_URL, endorsements: ['msteams'] }])(
    'is none when it is %j',
    (proof) => {
      expect(() => channel().receive({ ...delivery(hello), proof })).toThrow(/not good for this activity/);
    },
  );
});
