import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chatNode } from '../../../src/channels/chat/open.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { sampleSecrets } from '../../fixtures/secrets.ts';
import { seeded } from '../../support/campaign.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../../support/gate.ts';

let gate: Gate;

const reopen = async (options: GateOptions): Promise<void> => {
  await gate.stop();
  gate = await openGate(options);
};

beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

interface Caller {
  readonly sub?: string;
  readonly tenant?: string;
  readonly scope?: string;
}

async function call(
  path: string,
  body?: string | Uint8Array<ArrayBuffer>,
  { sub = 'ada', tenant = 'default', scope = BOTH }: Caller = {},
) {
  const token = await new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const headers = { authorization: `Bearer ${token}` };
  return answerTo(
    new Request(`http://gate.test${path}`, { headers, ...(body !== undefined && { method: 'POST', body }) }),
  );
}

async function answerTo(request: Request) {
  const response = await gate.app.request(request);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as Record<string, string> };
}

const BOTH = 'chat:read chat:write';

const say = (message: object, caller?: Caller) => call('/chat', JSON.stringify(message), caller);

const records = async (tenant = 'default') => (await gate.store.events.list(tenant, { limit: 200 })).events;

async function drain(id = ''): Promise<void> {
  const record = await gate.store.events.get('default', id);
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
}

describe('taking in', () => {
  test('a message is an event of the subject, accepted before the answer', async () => {
    const { status, headers, json } = await say({ text: 'hello', conversation: 'trip-1' });
    expect([status, json]).toEqual([
      202,
      { event: expect.stringMatching(/^ev_[0-9A-Z]{26}$/), conversation: 'trip-1' },
    ]);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('x-sallyport-outcome')).toBe('accepted');
    const [record] = await records();
    expect(record?.event).toMatchObject({
      id: json.event,
      tenant: 'default',
      channel: 'chat',
      kind: 'message',
      author: { id: 'ada', kind: 'user' },
      text: 'hello',
      conversation: { name: 'ada:trip-1' },
      mentioned: true,
    });
  });

  test('without a conversation each message begins one of its own', async () => {
    const answers = await Promise.all([say({ text: 'a' }), say({ text: 'a' })]);
    expect(new Set(answers.map(({ json }) => json.conversation)).size).toBe(2);
    expect(new Set(answers.map(({ json }) => json.event)).size).toBe(2);
    // What was given is taken back.
    const { status } = await say({ text: 'b', conversation: answers[0]?.json.conversation });
    expect(status).toBe(202);
  });

  test('messages of one conversation have one line, those of another subject another', async () => {
    await say({ text: 'a', conversation: 'c' });
    await say({ text: 'b', conversation: 'c' });
    await say({ text: 'c', conversation: 'c' }, { sub: 'eve' });
    const [third, second, first] = (await records()).map(({ event }) => event.conversation.key);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });
});

describe('idempotency', () => {
  test('20 copies at once are one event, and each is told it', async () => {
    const message = { text: 'hello', idempotencyKey: 'k' };
    const answers = await Promise.all(Array.from({ length: 20 }, () => say(message)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    expect(await records()).toHaveLength(1);
  });

  test('a copy names the new conversation or leaves it out', async () => {
    const { json } = await say({ text: 'hello', idempotencyKey: 'k' });
    const again = await say({ text: 'hello', idempotencyKey: 'k', conversation: json.conversation });
    expect([again.status, again.json]).toEqual([202, json]);
    expect(again.headers.get('x-sallyport-outcome')).toBe('duplicate');
  });

  test.each([
    ['another text', { text: 'goodbye', idempotencyKey: 'k', conversation: 'c' }],
    ['another conversation', { text: 'hello', idempotencyKey: 'k', conversation: 'd' }],
    ['no conversation', { text: 'hello', idempotencyKey: 'k' }],
  ])('the same key with %s is refused and not run', async (_, other) => {
    await say({ text: 'hello', idempotencyKey: 'k', conversation: 'c' });
    const { status, json } = await say(other);
    expect([status, json.code]).toEqual([409, 'ERR_IDEMPOTENCY_KEY_REUSED']);
    expect((await records()).map(({ state }) => state).toSorted()).toEqual(['conflict', 'queued']);
  });

  test.each([
    ['subject', { sub: 'eve' }],
    ['tenant', { tenant: 'acme' }],
  ])('a key of one %s means nothing to another', async (_, other) => {
    const message = { text: 'hello', idempotencyKey: 'k' };
    const [mine, theirs] = [await say(message), await say({ ...message, text: 'other' }, other)];
    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect(theirs.json.event).not.toBe(mine.json.event);
    expect(theirs.json.conversation).not.toBe(mine.json.conversation);
  });

  test('names that are put together differently are not taken for one', async () => {
    const answers = [
      await say({ text: 'x', idempotencyKey: 'b', conversation: 'c' }, { sub: 'a:' }),
      await say({ text: 'x', idempotencyKey: ':b', conversation: ':c' }, { sub: 'a' }),
    ];
    expect(new Set(answers.map(({ json }) => json.event)).size).toBe(2);
    expect(new Set((await records()).map(({ event }) => event.conversation.key)).size).toBe(2);
  });
});

describe('who may', () => {
  test('without a token nothing is read: 401 for both routes', async () => {
    for (const init of [{ method: 'POST', body: '{' }, {}]) {
      const path = init.method === 'POST' ? '/chat' : '/chat/ev_00000000000000000000000000';
      const { status, json } = await answerTo(new Request(`http://gate.test${path}`, init));
      expect([status, json.code]).toEqual([401, 'ERR_UNAUTHENTICATED']);
    }
  });

  test('each scope opens its own route', async () => {
    const { json } = await say({ text: 'a' }, { scope: 'chat:write' });
    expect((await say({ text: 'a' }, { scope: 'chat:read events:write' })).status).toBe(403);
    expect((await call(`/chat/${json.event}`, undefined, { scope: 'chat:write events:read' })).status).toBe(403);
    expect((await call(`/chat/${json.event}`, undefined, { scope: 'chat:read' })).status).toBe(200);
  });

  test('an event of another subject, tenant or channel is answered like an unknown one', async () => {
    const { json } = await say({ text: 'a' });
    const unknown = await call('/chat/ev_00000000000000000000000000');
    expect([unknown.status, unknown.json.code]).toEqual([404, 'ERR_NOT_FOUND']);
    for (const caller of [{ sub: 'eve' }, { sub: 'Ada' }, { tenant: 'acme' }]) {
      const theirs = await call(`/chat/${json.event}`, undefined, caller);
      expect([theirs.status, theirs.text]).toEqual([404, unknown.text]);
    }
    const [record] = await records();
    if (record === undefined) throw new Error('nothing was accepted');
    const identity = { key: 'another', fingerprint: 'another' };
    const id = 'ev_00000000000000000000000001';
    await gate.store.inbox.accept([{ ...record.event, id, identity, channel: 'slack' }]);
    expect((await call(`/chat/${id}`)).text).toBe(unknown.text);
    expect((await call('/chat/nonsense')).text).toBe(unknown.text);
  });

  test('a tenant that is not configured is no place to say anything', async () => {
    expect((await say({ text: 'a' }, { tenant: 'unknown' })).status).toBe(404);
    expect((await call('/chat/ev_00000000000000000000000000', undefined, { tenant: 'unknown' })).status).toBe(404);
  });

  test('no hook leads here', async () => {
    expect((await call('/hooks/chat/default', '{"text":"a"}')).status).toBe(404);
  });
});

describe('what is refused', () => {
  const SECRET = 'input-that-is-not-repeated';
  test.each([
    ['no JSON', `{"text": "${SECRET}"`, 400, 'ERR_BODY_UNPARSABLE'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), 400, 'ERR_BODY_UNPARSABLE'],
    ['no object', `["${SECRET}"]`, 400, 'ERR_INVALID_REQUEST'],
    ['nothing', '', 400, 'ERR_BODY_UNPARSABLE'],
    ['no text', '{}', 400, 'ERR_INVALID_REQUEST'],
    ['a blank text', '{"text":" \\n"}', 400, 'ERR_INVALID_REQUEST'],
    ['a text that is none', '{"text":7}', 400, 'ERR_INVALID_REQUEST'],
    ['an unknown field', JSON.stringify({ text: 'a', [SECRET]: SECRET }), 400, 'ERR_INVALID_REQUEST'],
    ['a tenant', JSON.stringify({ text: 'a', tenant: SECRET }), 400, 'ERR_INVALID_REQUEST'],
    ['an odd conversation', JSON.stringify({ text: 'a', conversation: `${SECRET}/` }), 400, 'ERR_INVALID_REQUEST'],
    ['a long conversation', JSON.stringify({ text: 'a', conversation: SECRET.repeat(9) }), 400, 'ERR_INVALID_REQUEST'],
    ['an empty key', JSON.stringify({ text: 'a', idempotencyKey: '' }), 400, 'ERR_INVALID_REQUEST'],
    [
      'a long key',
      JSON.stringify({ text: 'a', idempotencyKey: SECRET.repeat(9) + SECRET }),
      400,
      'ERR_INVALID_REQUEST',
    ],
    ['a large body', JSON.stringify({ text: SECRET.repeat(50_000) }), 413, 'ERR_BODY_TOO_LARGE'],
    ['a deep body', `{"text":${'['.repeat(100)}${']'.repeat(100)}}`, 400, 'ERR_BODY_UNPARSABLE'],
  ])('%s', async (_, body, status, code) => {
    const answer = await call('/chat', body);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.text).not.toContain(SECRET);
    expect(await records()).toEqual([]);
  });

  test('each field that is wrong is named, with what it may be', async () => {
    const { json } = await say({ conversation: '/', idempotencyKey: '' });
    expect(json.errors).toEqual([
      { path: 'conversation', message: expect.stringContaining('1 to 100 characters') },
      { path: 'text', message: 'is required' },
      { path: 'idempotencyKey', message: expect.stringContaining('at least 1') },
    ]);
  });

  test('a conversation that is a secret is refused, and kept nowhere', async () => {
    const conversation = `${'gh'}p_16C7e42F292c6912E7710c838347Ae178B4a`;
    const { status, json, text } = await say({ text: 'a', conversation });
    expect([status, json.code]).toEqual([400, 'ERR_INVALID_REQUEST']);
    expect(text).not.toContain(conversation);
    expect(await records()).toEqual([]);
  });

  test.each([
    ['ERR_STORE_UNAVAILABLE', 503],
    ['ERR_REPLICAS_MISSING', 503],
  ] as const)('a store that fails with %s means %i, and the caller comes back', async (code, status) => {
    const accept = async () => {
      throw new SallyportError(code, 'the store is away');
    };
    await reopen({ over: (store) => ({ ...store, inbox: { accept } }) });
    const answer = await say({ text: 'a' });
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    expect(answer.headers.has('retry-after')).toBe(true);
  });

  test('at the cap of the queue nothing is taken in, and a key is not used up', async () => {
    await reopen({ limits: { queueCap: 1 } });
    const first = await say({ text: 'a', idempotencyKey: 'a' });
    const full = await say({ text: 'b', idempotencyKey: 'b' });
    expect([full.status, full.json.code]).toEqual([503, 'ERR_QUEUE_FULL']);
    await drain(first.json.event);
    const later = await say({ text: 'b', idempotencyKey: 'b' });
    expect([later.status, later.headers.get('x-sallyport-outcome')]).toEqual([202, 'accepted']);
  });

  test('a process that is stopping takes nothing in', async () => {
    await reopen({ isDraining: () => true });
    const { status, json } = await say({ text: 'a' });
    expect([status, json.code]).toEqual([503, 'ERR_SHUTTING_DOWN']);
  });
});

describe('the reply', () => {
  const { replier } = chatNode.open({}, undefined as never);
  const options: GateOptions = replier === undefined ? {} : { replier };

  test('is kept with the run, and its journal says that it was given', async () => {
    await reopen(options);
    const { json } = await say({ text: 'hello', conversation: 'c' });
    const shown = () => call(`/chat/${json.event}`).then((answer) => answer.json);
    const common = { event: json.event, conversation: 'c', receivedAt: expect.stringMatching(/^\d{4}-.*Z$/) };
    expect(await shown()).toEqual({ ...common, state: 'queued' });
    await drain(json.event);
    expect(await shown()).toEqual({ ...common, state: 'done', reply: { text: 'echo: hello' } });
    const [record] = await records();
    expect(record?.runs).toMatchObject([{ outcome: 'replied', reply: { text: 'echo: hello', state: 'delivered' } }]);
    expect(await gate.store.events.redrive('default', json.event ?? '')).toMatchObject({ kind: 'wrong_state' });
  });

  test('is not shown while a person decides, nor what they rejected', async () => {
    await reopen({ ...options, review: { replies: 'always' } });
    const { json } = await say({ text: 'hello' });
    await drain(json.event);
    const { json: held, text } = await call(`/chat/${json.event}`);
    expect([held.state, held.reply]).toEqual(['review', undefined]);
    expect(text).not.toContain('echo');
    const [record] = await records();
    const digest = record?.review?.digest ?? '';
    await gate.store.reviews.decide('default', json.event ?? '', digest, {
      kind: 'reject',
      by: 'boss',
      at: Date.now(),
    });
    const { json: after } = await call(`/chat/${json.event}`);
    expect([after.state, after.reply]).toEqual(['done', undefined]);
  });

  test('is missing where the event is parked, and the code says why', async () => {
    const run = async () => {
      throw new SallyportError('ERR_AGENT_REJECTED', 'no');
    };
    await reopen({ ...options, agent: { name: 'broken', isFree: true, run } });
    const { json } = await say({ text: 'hello' });
    await drain(json.event);
    expect((await call(`/chat/${json.event}`)).json).toMatchObject({
      state: 'parked',
      failure: { code: 'ERR_AGENT_REJECTED' },
    });
  });

  test('holds no secret of any kind, and neither does the record', async () => {
    await reopen(options);
    const secrets = sampleSecrets(seeded(7));
    for (const { text, kind, core } of secrets) {
      const { json } = await say({ text, conversation: 'c' });
      await drain(json.event);
      const shown = await call(`/chat/${json.event}`);
      expect(shown.json.state, kind).toBe('done');
      expect(JSON.stringify([shown.json, await records()]), kind).not.toContain(core);
    }
  });
});
