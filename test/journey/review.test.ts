import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSlackReplier } from '../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../src/core/errors.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { type LogFields, silentLogger } from '../../src/core/logger.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { type SlackServer, type SlackServerOptions, startSlackServer } from '../../src/testing/slack/server.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { type Gate, type GateOptions, openGate } from '../support/gate.ts';
import { type ApiCaller, callApi } from '../support/review-api.ts';
import { message, postSlack } from '../support/slack.ts';
import { vendorFetch } from '../support/vendor-fetch.ts';

const DAY_MS = 86_400_000;

let clock: FakeClock;
let slack: SlackServer;
let gate: Gate;
let asked: number;
let log: { readonly name: string; readonly fields: LogFields }[];

/** Costs something, so that its budget can be looked at. */
const agent: Agent = {
  name: 'test',
  async run({ event }, { budget }) {
    asked += 1;
    await (await budget.reserve({ usdMicros: 100 })).settle({ usdMicros: 7 });
    return { kind: 'reply', text: `answer ${asked} to ${event.text}` };
  },
};

async function open(options: GateOptions = {}, server: SlackServerOptions = {}): Promise<void> {
  clock = createFakeClock();
  asked = 0;
  log = [];
  slack = await startSlackServer({ clock: clock.now, ...server });
  const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);
  const account = { apiUrl: slack.url, botToken: 'xoxb-local-token-for-tests' };
  const replier = createSlackReplier({ ...account, fetch: vendorFetch(slack.url), sealer, logger: silentLogger });
  const logger = { ...silentLogger, info: (fields: LogFields, name: string) => void log.push({ name, fields }) };
  gate = await openGate({ clock: clock.now, replier, agent, review: { replies: 'always' }, logger, ...options });
}
const reopen = async (options: GateOptions, server?: SlackServerOptions): Promise<void> => {
  await close();
  await open(options, server);
};
async function close(): Promise<void> {
  await gate.stop();
  await slack.stop();
}

beforeEach(() => open());
afterEach(() => close());

const api = (path: string, body?: unknown, caller?: ApiCaller) => callApi(gate.app, path, body, caller);
const texts = () => slack.posts.map(({ text }) => text);
async function recordOf(id: string): Promise<EventRecord> {
  const record = await gate.store.events.get('default', id);
  if (record === null) throw new Error('expected a record');
  return record;
}
const work = async (id: string): Promise<void> =>
  gate.drain({ tenant: 'default', key: (await recordOf(id)).event.conversation.key });

/** Somebody writes to us in Slack and a worker runs it. */
async function write(text: string, { user = 'U2ALICE', channel = `D${text}` } = {}): Promise<string> {
  const at = clock.now();
  const { eventId } = await postSlack(gate.app, message({ text, at, user, channel }), { at });
  await work(eventId ?? '');
  return eventId ?? '';
}
const digestOf = async (id: string): Promise<string> => (await api(`/reviews/${id}`)).json.digest;
const problem = (status: number, code: string) => ({ status, json: { status, code } });

describe('a reply that waits', () => {
  test('is shown to reviewers and to nobody in Slack', async () => {
    const id = await write('hi');
    expect(await recordOf(id)).toMatchObject({
      state: 'review',
      runs: [{ outcome: 'review', reply: { text: 'answer 1 to hi', state: 'held' } }],
    });
    const { status, json } = await api('/reviews');
    expect(status).toBe(200);
    expect(json).toEqual({ reviews: [(await api(`/reviews/${id}`)).json], cursor: null });
    expect(json.reviews[0]).toEqual({
      id,
      tenant: 'default',
      channel: 'slack',
      conversation: 'Dhi',
      state: 'waiting',
      digest: expect.stringMatching(/^[\w-]{22}$/),
      text: 'answer 1 to hi',
      destination: expect.objectContaining({ channel: 'Dhi' }),
      version: 1,
      question: 'hi',
      requester: { id: 'U2ALICE', kind: 'user' },
      heldAt: new Date(clock.now()).toISOString(),
      expiresAt: new Date(clock.now() + DAY_MS).toISOString(),
    });
    expect(slack.posts).toEqual([]);
  });

  test('holds neither its conversation nor its budget', async () => {
    const first = await write('one', { channel: 'Dline' });
    const second = await write('two', { channel: 'Dline' });
    expect(await Promise.all([first, second].map(async (id) => (await recordOf(id)).state))).toEqual([
      'review',
      'review',
    ]);
    const line = {
      scope: 'tenant',
      account: 'default',
      resource: 'usdMicros',
      window: 'day',
      max: 'unlimited',
    } as const;
    expect(await gate.store.ledger.usage([line])).toMatchObject([{ spent: 14, reserved: 0 }]);
    expect((await recordOf(first)).runs[0]?.usage.usdMicros).toBe(7);
  });

  test('is asked for by an agent, whatever the policy says', async () => {
    const careful: Agent = {
      name: 'careful',
      isFree: true,
      run: async ({ event }) => ({
        kind: 'reply',
        text: event.text,
        ...(event.text === 'pay' ? { review: true } : {}),
      }),
    };
    await reopen({ agent: careful, review: { replies: 'never' } });
    expect((await recordOf(await write('pay'))).state).toBe('review');
    expect((await recordOf(await write('hello'))).state).toBe('done');
    expect(texts()).toEqual(['hello']);
  });

  test('is listed page by page, and only to those who may read it', async () => {
    const ids: string[] = [];
    for (const text of ['a', 'b', 'c']) {
      ids.unshift(await write(text));
      clock.advance(10);
    }
    const first = await api('/reviews?limit=2');
    const second = await api(`/reviews?limit=2&cursor=${first.json.cursor}`);
    const seen = [...first.json.reviews, ...second.json.reviews].map((review: { id: string }) => review.id);
    expect([seen, second.json.cursor]).toEqual([ids, null]);
    expect(await api('/reviews', undefined, { scope: 'events:read' })).toMatchObject(problem(403, 'ERR_FORBIDDEN'));
    expect(await api('/reviews?limit=0')).toMatchObject(problem(400, 'ERR_INVALID_REQUEST'));
    expect(await api('/reviews?state=done')).toMatchObject(problem(400, 'ERR_INVALID_REQUEST'));
  });

  test('does not exist for another tenant, whatever it tries', async () => {
    const id = await write('hi');
    const digest = await digestOf(id);
    const other = { tenant: 'globex' };
    expect((await api('/reviews', undefined, other)).json).toEqual({ reviews: [], cursor: null });
    for (const answer of [
      await api(`/reviews/${id}`, undefined, other),
      await api(`/reviews/${id}/approve`, { digest }, other),
      await api(`/reviews/${id}/edit`, { digest, text: 'x' }, other),
      await api(`/reviews/${id}/reject`, { digest }, other),
      await api(`/events/${id}/resolve`, { effect: 'reply', outcome: 'delivered' }, other),
      await api('/reviews/ev_00000000000000000000000000'),
      await api('/reviews/..%2Fevents'),
    ]) {
      expect(answer).toMatchObject(problem(404, 'ERR_NOT_FOUND'));
    }
    expect((await recordOf(id)).state).toBe('review');
  });
});

describe('approving', () => {
  test('sends exactly what was approved, once, without asking the agent again', async () => {
    const id = await write('hi');
    const { status, json } = await api(`/reviews/${id}/approve`, { digest: await digestOf(id) });
    expect(status).toBe(200);
    const decision = { kind: 'approved', by: 'ada', at: new Date(clock.now()).toISOString() };
    expect(json).toMatchObject({ id, state: 'approved', decision });
    expect((await recordOf(id)).state).toBe('queued');
    await work(id);
    await work(id);
    expect(texts()).toEqual(['answer 1 to hi']);
    expect(asked).toBe(1);
    expect(await recordOf(id)).toMatchObject({
      state: 'done',
      runs: [{ outcome: 'review' }, { outcome: 'replied', reply: { text: 'answer 1 to hi', state: 'delivered' } }],
    });
    expect((await api(`/reviews/${id}`)).json.state).toBe('approved');
  });

  test('is told in one line, without the text', async () => {
    const id = await write('hi');
    clock.advance(5_000);
    await api(`/reviews/${id}/approve`, { digest: await digestOf(id) });
    expect(log).toEqual([
      {
        name: 'review.decided',
        fields: {
          tenant: 'default',
          eventId: id,
          channel: 'slack',
          decision: 'approve',
          by: 'ada',
          version: 1,
          waitedMs: 5_000,
        },
      },
    ]);
  });

  test.each([
    ['another digest', 'AAAAAAAAAAAAAAAAAAAAAA'],
    ['no digest at all', 'approved'],
  ])('with %s is refused, and nothing is sent', async (_, digest) => {
    const id = await write('hi');
    expect(await api(`/reviews/${id}/approve`, { digest })).toMatchObject(problem(409, 'ERR_REVIEW_CHANGED'));
    await work(id);
    expect(slack.posts).toEqual([]);
  });

  test('with the digest of another reply is refused, even of the same text', async () => {
    const one = await write('same', { channel: 'D1' });
    asked = 0;
    const two = await write('same', { channel: 'D2' });
    const digest = await digestOf(one);
    expect(await api(`/reviews/${two}/approve`, { digest })).toMatchObject(problem(409, 'ERR_REVIEW_CHANGED'));
  });

  test('works once', async () => {
    const id = await write('hi');
    const digest = await digestOf(id);
    await api(`/reviews/${id}/approve`, { digest });
    const again = problem(409, 'ERR_WRONG_STATE');
    expect(await api(`/reviews/${id}/approve`, { digest })).toMatchObject(again);
    await work(id);
    for (const verb of ['approve', 'reject'])
      expect(await api(`/reviews/${id}/${verb}`, { digest })).toMatchObject(again);
    expect(await api(`/reviews/${id}/edit`, { digest, text: 'late' })).toMatchObject(again);
    await work(id);
    expect(texts()).toEqual(['answer 1 to hi']);
  });

  test('by two at once is done by one', async () => {
    const id = await write('hi');
    const digest = await digestOf(id);
    const subs = ['ada', 'bob', 'ada', 'cy'];
    const answers = await Promise.all(subs.map((sub) => api(`/reviews/${id}/approve`, { digest }, { sub })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409]);
    await work(id);
    expect(texts()).toEqual(['answer 1 to hi']);
  });

  test('comes too late when the time is over: the event is parked, and a redrive asks the agent anew', async () => {
    const id = await write('hi');
    const digest = await digestOf(id);
    clock.advance(DAY_MS);
    expect(await api(`/reviews/${id}/approve`, { digest })).toMatchObject(problem(409, 'ERR_REVIEW_EXPIRED'));
    expect(await recordOf(id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_REVIEW_EXPIRED' } });
    expect((await api(`/reviews/${id}`)).json).toMatchObject({ state: 'expired' });
    expect(await api(`/reviews/${id}/approve`, { digest })).toMatchObject(problem(409, 'ERR_WRONG_STATE'));
    expect((await api(`/events/${id}/redrive`, {})).status).toBe(200);
    await work(id);
    expect((await api(`/reviews/${id}`)).json).toMatchObject({ state: 'waiting', text: 'answer 2 to hi' });
    expect(await api(`/reviews/${id}/approve`, { digest })).toMatchObject(problem(409, 'ERR_REVIEW_CHANGED'));
    expect(slack.posts).toEqual([]);
  });

  test('is over as soon as somebody looks', async () => {
    const id = await write('hi');
    clock.advance(DAY_MS);
    expect((await api('/reviews')).json.reviews).toEqual([]);
    expect((await recordOf(id)).state).toBe('parked');
  });

  test.each(['U2ALICE', 'u2alice', 'slack:U2ALICE'])('is not for whoever asked: %s', async (sub) => {
    const id = await write('hi');
    const digest = await digestOf(id);
    const own = problem(403, 'ERR_REVIEW_OWN');
    for (const verb of ['approve', 'reject']) {
      expect(await api(`/reviews/${id}/${verb}`, { digest }, { sub })).toMatchObject(own);
    }
    expect(await api(`/reviews/${id}/edit`, { digest, text: 'x' }, { sub })).toMatchObject(own);
    expect(await recordOf(id)).toMatchObject({ state: 'review', review: { version: 1 } });
  });

  test('is not for whoever asked as the channel’s reader knows them, where the event does not', async () => {
    const author = { id: 'ada@example.com', kind: 'user' } as const;
    await reopen({ reader: { read: async () => ({ kind: 'task', content: { author } }) } });
    const id = await write('hi');
    const digest = await digestOf(id);
    for (const sub of ['Ada@Example.com', 'slack:ada@example.com', 'U2ALICE']) {
      expect(await api(`/reviews/${id}/approve`, { digest }, { sub })).toMatchObject(problem(403, 'ERR_REVIEW_OWN'));
    }
    expect((await api(`/reviews/${id}/approve`, { digest }, { sub: 'bob@example.com' })).status).toBe(200);
  });

  test('is for the listed approvers only, where there is a list, and never for whoever asked', async () => {
    await reopen({ review: { replies: 'always', approvers: ['bob', 'U2ALICE'] } });
    const id = await write('hi');
    const digest = await digestOf(id);
    const approve = (sub: string) => api(`/reviews/${id}/approve`, { digest }, { sub });
    expect(await approve('ada')).toMatchObject(problem(403, 'ERR_REVIEW_NOT_APPROVER'));
    expect(await approve('Bob')).toMatchObject(problem(403, 'ERR_REVIEW_NOT_APPROVER'));
    expect(await approve('U2ALICE')).toMatchObject(problem(403, 'ERR_REVIEW_OWN'));
    expect((await approve('bob')).status).toBe(200);
  });

  test('needs its own scope', async () => {
    const id = await write('hi');
    const digest = await digestOf(id);
    const reader = { scope: 'reviews:read events:write' };
    expect(await api(`/reviews/${id}/approve`, { digest }, reader)).toMatchObject(problem(403, 'ERR_FORBIDDEN'));
  });

  test.each([{}, { digest: 1 }, { digest: 'x', text: 'y' }, { digest: '' }, [], null])(
    'refuses the body %j',
    async (body) => {
      const id = await write('hi');
      expect(await api(`/reviews/${id}/approve`, body)).toMatchObject(problem(400, 'ERR_INVALID_REQUEST'));
    },
  );

  test('outlives a reply the vendor refuses: the same text is sent by a redrive', async () => {
    const id = await write('hi');
    await api(`/reviews/${id}/approve`, { digest: await digestOf(id) });
    slack.failNext({ kind: 'error', error: 'channel_not_found', method: 'chat.postMessage' });
    await work(id);
    expect(await recordOf(id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_REPLY_REJECTED' } });
    await api(`/events/${id}/redrive`, {});
    await work(id);
    expect([texts(), asked]).toEqual([['answer 1 to hi'], 1]);
  });

  test('sends once when the answer of Slack is lost', async () => {
    const id = await write('hi');
    await api(`/reviews/${id}/approve`, { digest: await digestOf(id) });
    slack.failNext({ kind: 'drop', after: 'effect', method: 'chat.postMessage' });
    await work(id);
    clock.advance(30_000);
    await work(id);
    expect(await recordOf(id)).toMatchObject({ state: 'done' });
    expect(texts()).toEqual(['answer 1 to hi']);
  });

  test.each<[string, (record: EventRecord) => EventRecord]>([
    ['place', (record) => ({ ...record, event: { ...record.event, destination: { channel: 'Dmallory' } } })],
    ['text', (record) => ({ ...record, ...(record.review && { review: { ...record.review, text: 'evil' } }) })],
    ['event', (record) => ({ ...record, event: { ...record.event, id: 'ev_00000000000000000000000000' } })],
  ])('covers text and destination: another %s in the store is not sent', async (_, change) => {
    await reopen({
      leaseOver: (lease) => ({
        ...lease,
        async take(ref) {
          const taken = await lease.take(ref);
          const isApproved = taken.kind === 'head' && taken.record.review?.decision?.kind === 'approved';
          return isApproved ? { ...taken, record: change(taken.record) } : taken;
        },
      }),
    });
    const id = await write('hi');
    await api(`/reviews/${id}/approve`, { digest: await digestOf(id) });
    await work(id);
    expect(await recordOf(id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_REVIEW_CHANGED' } });
    expect(slack.posts).toEqual([]);
  });
});

describe('editing', () => {
  const edit = async (id: string, text: string, sub = 'ada') =>
    api(`/reviews/${id}/edit`, { digest: await digestOf(id), text }, { sub });

  test('makes a new digest, and only that one sends, and only that text', async () => {
    const id = await write('hi');
    const before = await digestOf(id);
    const { status, json } = await edit(id, 'a better answer');
    expect([status, json.state, json.text, json.version]).toEqual([200, 'waiting', 'a better answer', 2]);
    expect(json).toMatchObject({ editedBy: 'ada' });
    expect(json.digest).not.toBe(before);
    const stale = problem(409, 'ERR_REVIEW_CHANGED');
    expect(await api(`/reviews/${id}/approve`, { digest: before })).toMatchObject(stale);
    expect((await api(`/reviews/${id}/approve`, { digest: json.digest })).status).toBe(200);
    await work(id);
    expect(texts()).toEqual(['a better answer']);
    expect((await recordOf(id)).runs).toMatchObject([
      { reply: { text: 'answer 1 to hi', state: 'held' } },
      { reply: { text: 'a better answer', state: 'delivered' } },
    ]);
  });

  test('back to an earlier text does not bring its digest back', async () => {
    const id = await write('hi');
    const before = await digestOf(id);
    await edit(id, 'other');
    const { json } = await edit(id, 'answer 1 to hi');
    expect([json.text, json.version]).toEqual(['answer 1 to hi', 3]);
    expect(json.digest).not.toBe(before);
  });

  test('does not give it more time', async () => {
    const id = await write('hi');
    clock.advance(DAY_MS - 1);
    const { json } = await edit(id, 'late');
    expect(json.expiresAt).toBe(new Date(clock.now() + 1).toISOString());
    clock.advance(1);
    expect(await api(`/reviews/${id}/approve`, { digest: json.digest })).toMatchObject(
      problem(409, 'ERR_REVIEW_EXPIRED'),
    );
  });

  test('a secret in the new text is taken out before anybody keeps or sees it', async () => {
    const id = await write('hi');
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    const { json } = await edit(id, `use ${token} please`);
    expect(json.text).toMatch(/^use \[secret:[a-z-]+#[0-9a-f]+\] please$/);
    await api(`/reviews/${id}/approve`, { digest: json.digest });
    await work(id);
    expect(texts()).toEqual([json.text]);
    expect(JSON.stringify([await recordOf(id), slack.posts, log])).not.toContain(token);
  });

  test('passes what replies of agents pass', async () => {
    await reopen({
      checkReply: (text) => {
        if (text.includes('forbidden')) throw new SallyportError('ERR_GUARDRAIL_BLOCKED', 'no');
        return text.replace('http://evil.example', 'evil[.]example');
      },
    });
    const id = await write('hi');
    expect(await edit(id, 'forbidden words')).toMatchObject(problem(422, 'ERR_GUARDRAIL_BLOCKED'));
    expect((await edit(id, 'see http://evil.example')).json.text).toBe('see evil[.]example');
  });

  test.each([{ text: '' }, { text: ' \n' }, { text: 'x'.repeat(40_001) }, { text: 'a', extra: 1 }, {}])(
    'refuses the body %j',
    async (body) => {
      const id = await write('hi');
      const digest = await digestOf(id);
      expect(await api(`/reviews/${id}/edit`, { digest, ...body })).toMatchObject(problem(400, 'ERR_INVALID_REQUEST'));
      expect(await digestOf(id)).toBe(digest);
    },
  );
});

describe('rejecting', () => {
  test('ends the event without a reply', async () => {
    const id = await write('hi');
    const { status, json } = await api(`/reviews/${id}/reject`, { digest: await digestOf(id), reason: 'not polite' });
    expect([status, json.state, json.decision.reason]).toEqual([200, 'rejected', 'not polite']);
    await work(id);
    expect(await recordOf(id)).toMatchObject({
      state: 'done',
      runs: [{ outcome: 'rejected', reply: { state: 'rejected' } }],
    });
    expect(slack.posts).toEqual([]);
    expect(await api(`/events/${id}/redrive`, {})).toMatchObject(problem(409, 'ERR_WRONG_STATE'));
  });

  test('keeps no secret of its reason', async () => {
    const id = await write('hi');
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    const { text } = await api(`/reviews/${id}/reject`, { digest: await digestOf(id), reason: `leaks ${token}` });
    expect(text).toContain('[secret:');
    expect(text + JSON.stringify(await recordOf(id))).not.toContain(token);
  });
});

describe('resolving an effect nobody knows about', () => {
  async function ambiguous(): Promise<string> {
    await reopen({ review: { replies: 'never' } }, { showsMetadata: false });
    slack.failNext({ kind: 'drop', after: 'effect', method: 'chat.postMessage' });
    const id = await write('hi');
    clock.advance(30_000);
    await work(id);
    expect(await recordOf(id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_AMBIGUOUS_EFFECT' } });
    return id;
  }
  const resolve = (id: string, outcome: string, effect = 'reply') => api(`/events/${id}/resolve`, { effect, outcome });

  test('as delivered ends the event', async () => {
    const id = await ambiguous();
    const { status, json } = await resolve(id, 'delivered');
    expect([status, json.state, json.failure]).toEqual([200, 'done', undefined]);
    expect(json.runs.at(-1).reply).toEqual({ text: 'answer 1 to hi', state: 'delivered' });
    expect(await api(`/events/${id}/redrive`, {})).toMatchObject(problem(409, 'ERR_WRONG_STATE'));
    expect(slack.posts).toHaveLength(1);
  });

  test('as not delivered lets a redrive send the same reply, and not before', async () => {
    const id = await ambiguous();
    expect(await api(`/events/${id}/redrive`, {})).toMatchObject(problem(409, 'ERR_AMBIGUOUS_EFFECT'));
    const { status, json } = await resolve(id, 'not_delivered');
    expect([status, json.state, json.failure]).toMatchObject([200, 'parked', { code: 'ERR_EFFECT_NOT_DELIVERED' }]);
    await work(id);
    expect(slack.posts).toHaveLength(1);
    expect((await api(`/events/${id}/redrive`, {})).status).toBe(200);
    await work(id);
    expect(texts()).toEqual(['answer 1 to hi', 'answer 1 to hi']);
    expect((await recordOf(id)).state).toBe('done');
  });

  test('works once, for effects that are under way, and for ambiguous events only', async () => {
    const id = await ambiguous();
    expect(await resolve(id, 'delivered', 'tool:1.0')).toMatchObject(problem(404, 'ERR_NOT_FOUND'));
    expect(await resolve(id, 'maybe')).toMatchObject(problem(400, 'ERR_INVALID_REQUEST'));
    expect((await resolve(id, 'delivered')).status).toBe(200);
    expect(await resolve(id, 'not_delivered')).toMatchObject(problem(409, 'ERR_WRONG_STATE'));
    const other = await write('fine');
    expect(await resolve(other, 'delivered')).toMatchObject(problem(409, 'ERR_WRONG_STATE'));
    const reader = { scope: 'events:read reviews:decide' };
    const body = { effect: 'reply', outcome: 'delivered' };
    expect(await api(`/events/${other}/resolve`, body, reader)).toMatchObject(problem(403, 'ERR_FORBIDDEN'));
  });
});

describe('that a model wrote a reply', () => {
  const disclosure = 'Written by AI.';
  const shown = () => slack.posts.map(({ text, arguments: { attachments } }) => [text, JSON.stringify(attachments)]);
  const approve = async (id: string) => {
    await api(`/reviews/${id}/approve`, { digest: await digestOf(id) });
    await work(id);
  };

  test('is shown below what was approved, and is no part of it', async () => {
    await reopen({ disclosure });
    const id = await write('hi');
    expect(JSON.stringify((await api(`/reviews/${id}`)).json)).not.toContain(disclosure);
    await approve(id);
    expect(shown()).toEqual([['answer 1 to hi', expect.stringContaining(disclosure)]]);
    expect((await recordOf(id)).runs.at(-1)?.reply).toEqual({ text: 'answer 1 to hi', disclosure, state: 'delivered' });
  });

  test('is not said of what a person wrote instead', async () => {
    await reopen({ disclosure });
    const id = await write('hi');
    await api(`/reviews/${id}/edit`, { digest: await digestOf(id), text: 'mine' }, { sub: 'ada' });
    await approve(id);
    expect(shown()).toEqual([['mine', undefined]]);
  });

  test('is said once, by the last message of a long reply', async () => {
    const text = `${'word '.repeat(700)}\n\n${'more '.repeat(700)}`;
    const long: Agent = { name: 'test', run: async () => ({ kind: 'reply', text }) };
    await reopen({ disclosure, agent: long, review: { replies: 'never' } });
    await write('hi');
    expect(shown().map(([, attachments]) => attachments)).toEqual([undefined, expect.stringContaining(disclosure)]);
  });
});
