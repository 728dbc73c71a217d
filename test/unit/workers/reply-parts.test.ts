import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Replier } from '../../../src/channels/channel.ts';
import { createSlackReplier } from '../../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { type SlackFault, type SlackServer, startSlackServer } from '../../../src/testing/slack/server.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { createFakeClock, PATIENCE_MS } from '../../support/clock.ts';
import { type Gate, openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';
import { vendorFetch } from '../../support/vendor-fetch.ts';

const clock = createFakeClock();
const method = 'chat.postMessage';
/** Too long for three of Slack's messages. */
const LONG = Array.from({ length: 40 }, (_, n) => `Part ${n}: ${'word '.repeat(60)}`.trim()).join('\n\n');
const MESSAGES = 4;
/** The product waits longer. */
const PACE_MS = 20;

let slack: SlackServer;
let gate: Gate;
let asked: number;
let replier: Replier;

const longWinded: Agent = {
  name: 'long-winded',
  isFree: true,
  run: async () => {
    asked += 1;
    return { kind: 'reply', text: LONG };
  },
};

async function open(showsMetadata = true): Promise<void> {
  asked = 0;
  slack = await startSlackServer({ clock: clock.now, showsMetadata });
  const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);
  const account = { apiUrl: slack.url, botToken: 'xoxb-local-token-for-tests' };
  replier = createSlackReplier({ ...account, fetch: vendorFetch(slack.url), sealer, logger: silentLogger });
  gate = await openGate({ clock: clock.now, replier: { ...replier, paceMs: PACE_MS }, agent: longWinded });
}

async function close(): Promise<void> {
  await gate.stop();
  await slack.stop();
}

beforeEach(() => open());
afterEach(close);

/** Lets so many messages through and then makes the next one go wrong. */
function failAfter(count: number, fault: SlackFault): void {
  for (let n = 0; n < count; n += 1) slack.failNext({ kind: 'delay', ms: 0, method });
  slack.failNext(fault);
}

async function attempts(count: number): Promise<EventRecord | null> {
  const { eventId } = await postSlack(gate.app, message({ text: 'hi', at: clock.now() }), { at: clock.now() });
  const key = (await gate.store.events.get('default', eventId ?? ''))?.event.conversation.key ?? '';
  for (let n = 0; n < count; n += 1) {
    await gate.drain({ tenant: 'default', key });
    clock.advance(30_000);
  }
  return gate.store.events.get('default', eventId ?? '');
}

const replyIds = (): unknown[] =>
  slack.posts.map(
    ({ arguments: { metadata } }) => (metadata as { event_payload: { reply_id: string } }).event_payload.reply_id,
  );

function expectWhole(id: string | undefined): void {
  expect(slack.posts.map(({ text }) => text).join('\n\n')).toBe(LONG);
  expect(replyIds()).toEqual([id, `${id}-2`, `${id}-3`, `${id}-4`]);
}

test('a long reply is posted in several messages, each under a name of its own, into one thread', async () => {
  const record = await attempts(1);
  expect(record).toMatchObject({ state: 'done', attempts: 1, runs: [{ reply: { state: 'delivered', text: LONG } }] });
  expectWhole(record?.event.id);
  expect(new Set(slack.posts.map(({ threadTs }) => threadTs)).size).toBe(1);
  expect(slack.posts[0]?.threadTs).toBeDefined();
});

test.each([0, 1, 2, 3])(
  'when the answer to message %i is lost, the next attempt finds it and goes on after it',
  async (at) => {
    failAfter(at, { kind: 'drop', after: 'effect', method });
    const record = await attempts(2);
    expect(record).toMatchObject({ state: 'done', attempts: 2 });
    expectWhole(record?.event.id);
    expect([slack.calls.filter((call) => call === method).length, asked]).toEqual([MESSAGES, 1]);
  },
);

test.each([0, 1, 2, 3])('when message %i did not arrive, it is sent once more and nothing before it is', async (at) => {
  failAfter(at, { kind: 'drop', after: 'nothing', method });
  const record = await attempts(2);
  expect(record).toMatchObject({ state: 'done', attempts: 2 });
  expectWhole(record?.event.id);
  expect(slack.calls.filter((call) => call === method)).toHaveLength(MESSAGES + 1);
});

test('a rate limit in the middle is waited for, and what is left is posted then', async () => {
  failAfter(2, { kind: 'status', status: 429, retryAfter: 10, method });
  const record = await attempts(2);
  expect(record).toMatchObject({ state: 'done', runs: [{ code: 'ERR_REPLY_UNAVAILABLE' }, { outcome: 'replied' }] });
  expectWhole(record?.event.id);
  expect(asked).toBe(1);
});

test('a run that is stopped between two messages is given back at once, and the next one goes on', async () => {
  const shutdown = new AbortController();
  let sent = 0;
  const slow: Replier = {
    ...replier,
    paceMs: 600_000,
    send: (...args) => replier.send(...args).finally(() => (sent += 1)),
  };
  const stopping = await openGate({
    ...{ clock: clock.now, agent: longWinded, store: gate.store },
    ...{ replier: slow, shutdown: shutdown.signal },
  });
  const { eventId } = await postSlack(stopping.app, message({ text: 'hi', at: clock.now() }), { at: clock.now() });
  const key = (await gate.store.events.get('default', eventId ?? ''))?.event.conversation.key ?? '';
  const running = stopping.drain({ tenant: 'default', key });
  await vi.waitFor(() => expect(sent).toBe(1), { timeout: PATIENCE_MS });
  shutdown.abort();
  await running;
  expect(slack.posts).toHaveLength(1);
  expect(await gate.store.events.get('default', eventId ?? '')).toMatchObject({ state: 'queued', attempts: 0 });
  await gate.drain({ tenant: 'default', key });
  expect(await gate.store.events.get('default', eventId ?? '')).toMatchObject({ state: 'done' });
  expectWhole(eventId ?? '');
});

test('a refusal for good in the middle parks the event, and a redrive posts what is left', async () => {
  failAfter(2, { kind: 'error', error: 'channel_not_found', method });
  const record = await attempts(1);
  expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_REPLY_REJECTED' } });
  expect(slack.posts).toHaveLength(2);
  const id = record?.event.id ?? '';
  await gate.store.events.redrive('default', id);
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
  expect(await gate.store.events.get('default', id)).toMatchObject({ state: 'done' });
  expectWhole(id);
});

test('when Slack cannot say whether a message arrived, nothing after it is posted', async () => {
  await close();
  await open(false);
  failAfter(1, { kind: 'drop', after: 'effect', method });
  const record = await attempts(3);
  expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_AMBIGUOUS_EFFECT' } });
  expect(slack.posts).toHaveLength(2);
  // An operator who has looked names the message by its step; a redrive posts the rest.
  const id = record?.event.id ?? '';
  expect(await gate.store.events.resolve('default', id, 'reply:2', 'delivered')).toMatchObject({ kind: 'ok' });
  expect(await gate.store.events.redrive('default', id)).toMatchObject({ kind: 'ok' });
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
  expect(await gate.store.events.get('default', id)).toMatchObject({ state: 'done' });
  expectWhole(id);
});
