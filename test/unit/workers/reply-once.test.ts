import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSlackReplier } from '../../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { type SlackServer, type SlackServerOptions, startSlackServer } from '../../../src/testing/slack/server.ts';
import { createFakeClock, type FakeClock } from '../../support/clock.ts';
import { type Gate, openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';
import { vendorFetch } from '../../support/vendor-fetch.ts';

let clock: FakeClock;
let slack: SlackServer;
let gate: Gate;

async function open(options: SlackServerOptions = {}): Promise<void> {
  clock = createFakeClock();
  slack = await startSlackServer({ clock: clock.now, ...options });
  const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);
  const account = { apiUrl: slack.url, botToken: 'xoxb-local-token-for-tests' };
  const replier = createSlackReplier({ ...account, fetch: vendorFetch(slack.url), sealer, logger: silentLogger });
  gate = await openGate({ clock: clock.now, replier });
}

beforeEach(() => open());
afterEach(async () => {
  await gate.stop();
  await slack.stop();
});

/** Accepts a message and attempts it as often as it wants, letting its waits pass; returns what became of it. */
async function attempts(count: number): Promise<EventRecord | null> {
  const { eventId } = await postSlack(gate.app, message({ text: 'hi', at: clock.now() }), { at: clock.now() });
  const key = (await gate.store.events.get('default', eventId ?? ''))?.event.conversation.key ?? '';
  for (let n = 0; n < count; n += 1) {
    await gate.drain({ tenant: 'default', key });
    clock.advance(30_000);
  }
  return gate.store.events.get('default', eventId ?? '');
}

test('a reply is posted once, into the thread, and the run says so', async () => {
  const record = await attempts(1);
  expect(record).toMatchObject({ state: 'done', runs: [{ reply: { state: 'delivered' } }] });
  expect(slack.posts).toMatchObject([{ via: 'chat.postMessage', text: 'echo: hi' }]);
});

test('a reply whose answer was lost is found at Slack and not sent again', async () => {
  slack.failNext({ kind: 'drop', after: 'effect', method: 'chat.postMessage' });
  const record = await attempts(2);
  expect(record).toMatchObject({ state: 'done', attempts: 2 });
  expect(record?.runs).toMatchObject([{ code: 'ERR_REPLY_UNCONFIRMED' }, { reply: { state: 'delivered' } }]);
  expect(slack.posts).toHaveLength(1);
});

test('a request that was cut off before Slack took it is sent once more after Slack was asked', async () => {
  slack.failNext({ kind: 'drop', after: 'nothing', method: 'chat.postMessage' });
  const record = await attempts(2);
  expect(record).toMatchObject({ state: 'done', runs: [{ outcome: 'retry' }, { outcome: 'replied' }] });
  expect(slack.calls.filter((method) => method === 'chat.postMessage')).toHaveLength(2);
  expect(slack.posts).toHaveLength(1);
});

test('when Slack cannot say, the event is parked as ambiguous and nothing is sent again', async () => {
  await gate.stop();
  await slack.stop();
  await open({ showsMetadata: false });
  slack.failNext({ kind: 'drop', after: 'effect', method: 'chat.postMessage' });
  const record = await attempts(3);
  expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_AMBIGUOUS_EFFECT' } });
  expect(slack.posts).toHaveLength(1);
  expect(await gate.store.events.redrive('default', record?.event.id ?? '')).toMatchObject({ kind: 'ambiguous' });
});

test('a rate limit is waited for; Slack is not asked, because it certainly took nothing', async () => {
  slack.failNext({ kind: 'status', status: 429, retryAfter: 10, method: 'chat.postMessage' });
  const record = await attempts(2);
  expect(record).toMatchObject({ state: 'done', runs: [{ code: 'ERR_REPLY_UNAVAILABLE' }, { outcome: 'replied' }] });
  expect(slack.calls.filter((method) => method !== 'chat.postMessage' && method !== 'auth.test')).toEqual([]);
});

test('a wait that is longer than a conversation may be blocked parks the event at once', async () => {
  slack.failNext({ kind: 'status', status: 429, retryAfter: 300, method: 'chat.postMessage' });
  expect(await attempts(1)).toMatchObject({ state: 'parked', failure: { code: 'ERR_BACKOFF_EXHAUSTED' } });
});

test('a refusal for good parks the event at once', async () => {
  slack.failNext({ kind: 'error', error: 'channel_not_found', method: 'chat.postMessage' });
  expect(await attempts(1)).toMatchObject({ state: 'parked', failure: { code: 'ERR_REPLY_REJECTED' } });
  expect(slack.posts).toEqual([]);
});

test('an agent that was heard is not asked again by the next attempt', async () => {
  await gate.stop();
  let asked = 0;
  const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);
  const account = { apiUrl: slack.url, botToken: 'xoxb-local-token-for-tests' };
  gate = await openGate({
    clock: clock.now,
    replier: createSlackReplier({ ...account, fetch: vendorFetch(slack.url), sealer, logger: silentLogger }),
    agent: {
      name: 'counting',
      async run() {
        asked += 1;
        const usage = { usdMicros: 0, inputTokens: 0, outputTokens: 0, modelCalls: 0, toolCalls: 0 };
        return { kind: 'reply', text: `answer ${asked}`, usage };
      },
    },
  });
  slack.failNext({ kind: 'status', status: 503, method: 'chat.postMessage' });
  await attempts(2);
  expect(asked).toBe(1);
  expect(slack.posts.map(({ text }) => text)).toEqual(['answer 1']);
});
