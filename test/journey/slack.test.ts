import { afterEach, beforeEach, expect, test } from 'vitest';
import { matchPolicy } from '../../src/channels/slack/receive/relevance.ts';
import { type Gate, openGate } from '../support/gate.ts';
import { message, postSlack } from '../support/slack.ts';

let gate: Gate;

beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

/** Runs the conversation of an event and returns its record. */
async function settle(eventId: string | null) {
  const record = await gate.store.events.get('default', eventId ?? '');
  if (record === null) throw new Error('the event was not recorded');
  await gate.drain({ tenant: 'default', key: record.event.conversation.key });
  return gate.store.events.get('default', record.event.id);
}

test('README example: a signed message becomes one run with a reply', async () => {
  const answer = await postSlack(gate.app, message({ text: 'hello' }));
  expect(answer).toMatchObject({ status: 200, outcome: 'accepted', body: '' });
  const record = await settle(answer.eventId);
  expect(record).toMatchObject({ state: 'done', attempts: 1, deliveries: 1 });
  expect(record?.runs).toMatchObject([{ outcome: 'replied', reply: { text: 'echo: hello', state: 'unsent' } }]);
});

test('a replayed request is a duplicate and names the original event', async () => {
  const payload = message({ text: 'once' });
  const at = Date.now();
  const first = await postSlack(gate.app, payload, { at });
  const second = await postSlack(gate.app, payload, { at });
  expect(second).toMatchObject({ status: 200, outcome: 'duplicate', eventId: first.eventId });
  expect(await settle(first.eventId)).toMatchObject({ deliveries: 2, runs: [{ outcome: 'replied' }] });
});

test('a retry with the retry headers, signed anew, is a duplicate by content and not by header', async () => {
  const payload = message({ text: 'again' });
  const first = await postSlack(gate.app, payload, { at: Date.now() - 60_000 });
  expect(await postSlack(gate.app, payload)).toMatchObject({ outcome: 'duplicate', eventId: first.eventId });
});

test('the same message id with another text is a conflict: recorded, not run', async () => {
  const ts = '1700000000.000100';
  const first = await postSlack(gate.app, message({ text: 'pay Alice', ts }));
  const second = await postSlack(gate.app, message({ text: 'pay Mallory', ts }));
  expect(second).toMatchObject({ status: 200, outcome: 'conflict' });
  expect(await settle(first.eventId)).toMatchObject({ state: 'done', runs: [{ reply: { text: 'echo: pay Alice' } }] });
  expect(await gate.store.events.get('default', second.eventId ?? '')).toMatchObject({ state: 'conflict', runs: [] });
});

test.each([
  ['message first', false, true],
  ['app_mention first', true, false],
])('message and app_mention of one post make one run that knows it was mentioned: %s', async (_, first, second) => {
  const post = { text: '<@U0BOT> summarise', ts: '1700000000.000200', botUserId: 'U0BOT' };
  const one = await postSlack(gate.app, message({ ...post, asMention: first }));
  const two = await postSlack(gate.app, message({ ...post, asMention: second }));
  expect([one.outcome, two.outcome]).toEqual(['accepted', 'duplicate']);
  const record = await settle(one.eventId);
  expect(record?.event.mentioned).toBe(true);
  expect(record?.runs).toHaveLength(1);
});

test.each([
  [false, true],
  [true, false],
])(
  'an agent that answers mentions only still makes one run of the twins (mention first: %s)',
  async (first, second) => {
    await gate.stop();
    gate = await openGate({ slack: { match: matchPolicy({ mentionsOnly: true }) } });
    // No authorization names the bot's user: a plain message cannot be known to be a mention.
    const post = { text: '<@U0BOT> summarise', ts: '1700000000.000300' };
    const payloads = [first, second].map((asMention) => ({ ...message({ ...post, asMention }), authorizations: [] }));
    const outcomes = [await postSlack(gate.app, payloads[0]), await postSlack(gate.app, payloads[1])];
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['accepted', 'ignored']);
    const record = await settle(outcomes.find(({ outcome }) => outcome === 'accepted')?.eventId ?? null);
    expect(record?.event.mentioned).toBe(true);
  },
);

test('an agent never answers its own app, fed its reply a thousand times', async () => {
  for (let i = 0; i < 1000; i += 1) {
    const own = message({ text: 'echo: hello', ts: `1700000000.${String(i).padStart(6, '0')}`, user: 'U0BOT' });
    expect(await postSlack(gate.app, own)).toMatchObject({ status: 200, outcome: 'ignored' });
  }
  expect((await gate.store.events.list('default', { limit: 10 })).events).toEqual([]);
});

test('a secret in the text is stored nowhere and echoed nowhere', async () => {
  const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
  const answer = await postSlack(gate.app, message({ text: `my token is ${token} thanks` }));
  const record = await settle(answer.eventId);
  expect(JSON.stringify(record)).not.toContain(token);
  expect(record?.runs.at(-1)?.reply?.text).toMatch(/^echo: my token is \[secret:[a-z-]+#[0-9a-f]+\] thanks$/);
});

test('a secret in a routing id is quarantined and becomes no key', async () => {
  const token = ['xo', 'xb', '-123456789012-1234567890123-', 'AbCdEfGhIjKlMnOpQrStUvWx'].join('');
  const answer = await postSlack(gate.app, message({ text: 'hi', user: token }));
  expect(answer.status).toBe(200);
  expect(answer.outcome).toBe('quarantined');
  expect((await gate.store.events.list('default', { limit: 10 })).events).toEqual([]);
});
