import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ParsedEvent } from '../../../../src/channels/channel.ts';
import { chatEvent } from '../../../../src/channels/chat/message.ts';
import { messageEvent, pollEvent, pushEvent } from '../../../../src/channels/gmail/receive/identify.ts';
import { createIdentify } from '../../../../src/channels/graph/receive/identify.ts';
import { refOf } from '../../../../src/channels/graph/resource.ts';
import { containerOf } from '../../../../src/channels/registry.ts';
import { identify as identifyTeams } from '../../../../src/channels/teams/receive/identify.ts';
import { parse as parseTeams, readActivity, readWebhook } from '../../../../src/channels/teams/receive/parse.ts';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../../../src/core/identity.ts';
import type { JsonObject } from '../../../../src/core/json/json-text.ts';
import { shardNameOf } from '../../../../src/queue/edge/inbox.ts';
import { type SlackBody, slackForm, slackInteraction, slackJson } from '../../../../src/testing/slack/signer.ts';
import { envelope, said, slackKinds } from '../../../fixtures/slack-kinds.ts';
import { receive as receiveSlack } from '../../channels/slack-harness.ts';

const identifier = createIdentifier(nodeCrypto, new Uint8Array(32).fill(7));
const at = 1_900_000_000_000;
const windowMs = 3_600_000;

/** So many that two events share a shard by their container alone. */
const MANY = 2 ** 40;

const shardOf = (event: ParsedEvent['event'], shards = MANY): string =>
  shardNameOf({ ...event, sealed: {} }, containerOf(event), { identifier, shards });

/** Counts pairs that meet; an event of another shard than one with its identity or its conversation fails the test. */
function check(events: readonly ParsedEvent['event'][]): { readonly twins: number; readonly followers: number } {
  const found = { twins: 0, followers: 0 };
  const byIdentity = new Map<string, string>();
  const byConversation = new Map<string, string>();
  for (const event of events) {
    const shard = shardOf(event);
    for (const [known, key, counter] of [
      [byIdentity, event.identity.key, 'twins'],
      [byConversation, event.conversation.key, 'followers'],
    ] as const) {
      const before = known.get(key);
      if (before !== undefined) {
        expect({ [counter]: event.conversation.name, shard: before }).toEqual({
          [counter]: event.conversation.name,
          shard,
        });
        found[counter] += 1;
      }
      known.set(key, shard);
    }
  }
  return found;
}

const few = <T>(...values: readonly T[]) => fc.constantFrom(...values);

const slackChannels = few('C0GENERAL', 'C0RANDOM', 'D0ALICE', 'G0GROUP');
const slackTimes = few('1700000000.000100', '1700000000.000200', '1700000000.000300');
const users = few('U0ALICE', 'U0BOB');

const slackMessage: fc.Arbitrary<SlackBody> = fc
  .record({
    type: few('message', 'app_mention'),
    channel: slackChannels,
    channel_type: few(undefined, 'channel', 'im'),
    user: users,
    ts: slackTimes,
    thread_ts: fc.option(slackTimes, { nil: undefined }),
    text: few('hello', 'other'),
  })
  .map((event) => slackJson(envelope(said(event))));

const slackReaction: fc.Arbitrary<SlackBody> = fc
  .record({ user: users, channel: slackChannels, ts: slackTimes, id: few('Ev1', 'Ev2') })
  .map(({ user, channel, ts, id }) =>
    // An event id is one event, so its content hangs on it.
    slackJson(
      envelope(
        { type: 'reaction_added', user, reaction: 'eyes', item: { type: 'message', channel, ts } },
        { event_id: `${id}${user}${channel}${ts}` },
      ),
    ),
  );

const slackCommand: fc.Arbitrary<SlackBody> = fc
  .record({ user_id: users, channel_id: slackChannels, text: few('a', 'b') })
  .map((fields) =>
    slackForm({
      command: '/ask',
      api_app_id: 'A0OURS',
      trigger_id: `1.${fields.channel_id}.${fields.user_id}`,
      ...fields,
    }),
  );

const slackPress: fc.Arbitrary<SlackBody> = fc
  .record({ channel: slackChannels, ts: slackTimes, user: users, at: slackTimes })
  .map(({ channel, ts, user, at: pressedAt }) =>
    slackInteraction({
      type: 'block_actions',
      user: { id: user },
      team: { id: 'T0HOME' },
      api_app_id: 'A0OURS',
      trigger_id: `1.${channel}.${ts}.${user}.${pressedAt}`,
      container: { channel_id: channel, message_ts: ts },
      channel: { id: channel },
      actions: [{ action_id: 'approve', action_ts: pressedAt, value: 'yes' }],
    }),
  );

const slack = fc
  .oneof(slackMessage, slackReaction, slackCommand, slackPress)
  .map((body) => receiveSlack(body).events.map(({ event }) => event));

const graphIdentify = createIdentify({ identifier, entraTenantId: '84bd8158-6d4d-4958-8b9f-9d6445542f95', windowMs });
const ENTRA = '84bd8158-6d4d-4958-8b9f-9d6445542f95';
const mailboxes = few('ddfcd489-628b-40d7-b48b-57002df800e5', 'alice@example.com');
const ids = few('AAMkAGUw=', 'AAMkAGUx=');
const numbers = few('1', '2');
const resource = fc.oneof(
  fc
    .tuple(mailboxes, ids, few(0, 1, 2, 3))
    .map(([box, id, spelling]) =>
      [
        `users/${box}/messages/${id}`,
        `Users('${box.toUpperCase()}')/Messages('${id}')`,
        `users/${box}/mailFolders('inbox')/messages/${encodeURIComponent(id)}`,
        box.includes('@') ? `users/${box}/messages/${id}` : `users/${box}@${ENTRA}/messages/${id}`,
      ].at(spelling),
    ),
  fc
    .tuple(numbers, numbers, fc.boolean())
    .map(([chat, id, isUsers]) => `${isUsers ? 'users/u1/' : ''}chats('19:${chat}@thread.v2')/messages('${id}')`),
  fc
    .tuple(numbers, numbers, numbers, fc.option(numbers))
    .map(([team, channel, root, reply]) =>
      [`teams/t${team}/channels/19:${channel}@thread.tacv2/messages/${root}`, ...(reply === null ? [] : [reply])].join(
        '/replies/',
      ),
    ),
);
const arrival = { tenant: 'acme', receivedAt: at };
const graphObject = fc.tuple(resource, few('s1', 's2', undefined)).map(([path, subscription]) => {
  const ref = refOf(path ?? '');
  if (ref === null) throw new Error('there is no reader for the path');
  return [graphIdentify.object(ref, { nonce: undefined, subscription }, {}, arrival).event];
});
const graphLifecycle = fc
  .tuple(few('missed' as const, 'subscriptionRemoved' as const), few('s1', 's2'))
  .map(([event, subscription]) => [graphIdentify.lifecycle(event, { nonce: undefined, subscription }, arrival).event]);

const gmailDeps = { identifier, tenant: 'acme' };
const boxes = few('alice@example.com', 'bob@example.com');
const gmail = fc.oneof(
  fc
    // A message of Pub/Sub has its number, and belongs to one mailbox.
    .tuple(boxes, numbers)
    .map(([mailbox, n]) => [
      pushEvent(
        { mailbox, historyId: n, messageId: `${mailbox}${n}`, publishedAt: undefined, isRetry: false },
        'sub',
        windowMs,
        at,
        gmailDeps,
      ).event,
    ]),
  fc.tuple(boxes, few(1, 2)).map(([mailbox, slot]) => [pollEvent(mailbox, slot, at, gmailDeps).event]),
  fc
    .tuple(boxes, numbers, numbers)
    .map(([mailbox, id, threadId]) => [messageEvent(mailbox, { id, threadId }, at, gmailDeps).event]),
);

const teamsPlaces = few('19:general@thread.tacv2', '19:general@thread.tacv2;messageid=1', 'a:1personal');
const teams = fc
  .record({
    type: few('message', 'invoke', 'messageReaction'),
    id: numbers,
    timestamp: few('2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'),
    channelId: fc.constant('msteams'),
    conversation: teamsPlaces.map((id) => ({ id })),
    from: users.map((id) => ({ id })),
    text: few('hello', 'other'),
    isWebhook: fc.boolean(),
  })
  .map(({ isWebhook, ...activity }) => {
    const read = isWebhook ? readWebhook : (one: Parameters<typeof readWebhook>[0]) => readActivity(one, own);
    const own = { appId: 'app', tenantId: undefined };
    const candidate = parseTeams(activity as unknown as JsonObject, read);
    if (typeof candidate === 'string') return [];
    const appName = isWebhook ? 'outgoing-webhook' : 'app';
    return [identifyTeams(candidate, { ...activity }, arrival, undefined, { identifier, appName, windowMs }).event];
  });

const chat = fc
  .record({
    conversation: fc.option(few('c1', 'c2'), { nil: undefined }),
    key: few('k1', 'k2', undefined),
    subject: users,
  })
  .map(({ conversation, key, subject }) => {
    const message = {
      text: 'hello',
      ...(conversation === undefined ? {} : { conversation }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
    };
    const delivery = { tenant: 'acme', receivedAt: at, headers: new Headers(), url: '', body: new Uint8Array() };
    return [chatEvent(message, delivery, subject, { identifier, windowMs }).event];
  });

test.each([
  ['slack', slack],
  ['graph', fc.oneof({ weight: 4, arbitrary: graphObject }, graphLifecycle)],
  ['gmail', gmail],
  ['teams', teams],
  ['chat', chat],
])('%s: events with the same identity key, or of the same conversation, have the same shard', (name, deliveries) => {
  let [twins, followers, places] = [0, 0, 0];
  fc.assert(
    fc.property(fc.array(deliveries, { minLength: 20, maxLength: 60 }), (made) => {
      const events = made.flat();
      for (const { channel } of events) expect(channel).toBe(name);
      const found = check(events);
      twins += found.twins;
      followers += found.followers;
      places = Math.max(places, new Set(events.map((event) => shardOf(event))).size);
    }),
    { seed: 1, numRuns: 60 },
  );
  // Neither is true of nothing, nor because everything has one shard.
  expect(twins).toBeGreaterThan(100);
  expect(followers).toBeGreaterThan(100);
  expect(places).toBeGreaterThan(1);
});

test('every kind of delivery of Slack that is run has a shard, and its second delivery the same one', () => {
  let twins = 0;
  // The samples share event ids, so each is compared with itself alone.
  for (const { body } of slackKinds) {
    twins += check([body, body].flatMap((each) => receiveSlack(each).events).map(({ event }) => event)).twins;
  }
  expect(twins).toBeGreaterThan(10);
});

test('containers are spread over the shards, and tenants and channels apart', () => {
  const [first] = receiveSlack(slackJson(envelope(said()))).events;
  if (first === undefined) throw new Error('expected an event');
  const { event } = first;
  const counts = new Map<string, number>();
  for (let n = 0; n < 800; n += 1) {
    const name = shardOf({ ...event, destination: { channel: `C${n}` } }, 8);
    expect(name).toMatch(/^acme\/[0-7]$/);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  expect(counts.size).toBe(8);
  expect(Math.min(...counts.values())).toBeGreaterThan(50);
  const numbersOf = [event, { ...event, tenant: 'globex' }, { ...event, channel: 'other' }].map(
    (one) => shardOf(one).split('/')[1],
  );
  expect(new Set(numbersOf).size).toBe(3);
});
