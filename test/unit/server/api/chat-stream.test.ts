import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CallerView, Replier } from '../../../../src/channels/channel.ts';
import { createChatStreams } from '../../../../src/server/api/chat-stream.ts';
import { revocationsOver } from '../../../support/authorize.ts';
import { createFakeClock, type FakeClock, PATIENCE_MS } from '../../../support/clock.ts';
import { readEvents } from '../../../support/event-stream.ts';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';

let gate: Gate;
let clock: FakeClock;
let isDraining = false;

beforeEach(async () => {
  isDraining = false;
  clock = createFakeClock(Date.now());
  // The run keeps the reply, as the chat channel's own replier has it.
  const replier: Replier = { send: async () => ({ kind: 'in_response' }), find: async () => 'absent' };
  gate = await openGate({ clock: clock.now, tokenClock: clock.now, isDraining: () => isDraining, replier });
});
afterEach(() => gate.stop());

const tokenOf = (subject = 'ada', scope = 'chat:read chat:write', life = '10m'): Promise<string> =>
  new SignJWT({ tenant: 'default', scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setExpirationTime(life)
    .sign(Buffer.from(JWT_SECRET));

async function say(text: string): Promise<string> {
  const headers = { authorization: `Bearer ${await tokenOf()}` };
  const response = await gate.app.request('/chat', { method: 'POST', headers, body: JSON.stringify({ text }) });
  return ((await response.json()) as { event: string }).event;
}

async function drain(id: string): Promise<void> {
  const record = await gate.store.events.get('default', id);
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
}

interface Wish {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
}

async function open(id: string, { token, headers = {}, query = '' }: Wish = {}): Promise<Response> {
  const authorization = `Bearer ${token ?? (await tokenOf())}`;
  const all = { authorization, accept: 'text/event-stream', ...headers };
  return gate.app.request(`/chat/${id}${query}`, { headers: all });
}

test('each state is told until the end, which has the reply', async () => {
  const id = await say('hello');
  const response = await open(id);
  expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
    200,
    'text/event-stream',
    'no-store',
  ]);
  const stream = readEvents(response);
  expect(await stream.next()).toEqual({ retry: '2000' });
  const queued = await stream.next();
  expect([queued.event, queued.data]).toEqual(['state', expect.objectContaining({ event: id, state: 'queued' })]);
  await drain(id);
  const end = await stream.last();
  const done = { event: id, state: 'done', reply: { text: 'echo: hello' } };
  expect([end.event, end.data]).toEqual(['end', expect.objectContaining(done)]);
  expect(end.id).not.toBe(queued.id);
});

test('a client that comes again is not told twice, and is sent away after the end', async () => {
  const id = await say('hello');
  const first = readEvents(await open(id));
  await first.next();
  const queued = await first.next();
  await first.cancel();
  const again = readEvents(await open(id, { headers: { 'last-event-id': queued.id ?? '' } }));
  expect(await again.next()).toEqual({ retry: '2000' });
  await drain(id);
  const end = await again.last();
  expect([again.seen().some(({ id: told }) => told === queued.id), end.event]).toEqual([false, 'end']);
  expect((await open(id, { headers: { 'last-event-id': end.id ?? '' } })).status).toBe(204);
  const whole = readEvents(await open(id, { headers: { 'last-event-id': 'another' } }));
  expect((await whole.last()).event).toBe('end');
});

test.each<readonly [string, number, Wish | (() => Promise<Wish>)]>([
  ['of another subject', 404, async () => ({ token: await tokenOf('eve') })],
  ['without the scope', 403, async () => ({ token: await tokenOf('ada', 'chat:write') })],
  ['with the token in the query', 401, async () => ({ token: '', query: `?access_token=${await tokenOf()}` })],
])('a stream %s is refused: %i', async (_, status, wish) => {
  const id = await say('hello');
  expect((await open(id, typeof wish === 'function' ? await wish() : wish)).status).toBe(status);
});

test.each([
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['text/event-stream;q=0', 'application/json'],
  ['application/json;q=0.1, Text/Event-Stream ; q=1', 'text/event-stream'],
])('accept: %s is answered with %s', async (accept, type) => {
  const id = await say('hello');
  const response = await open(id, { headers: { accept } });
  expect(response.headers.get('content-type')).toBe(type);
  await response.body?.cancel();
});

describe('a stream ends', () => {
  async function opened(id: string, wish: Wish = {}) {
    const stream = readEvents(await open(id, wish));
    await stream.next();
    await stream.next();
    return stream;
  }
  const closed = (code: string) => ({ event: 'close', data: { code } });

  test('when its token expires', async () => {
    const stream = await opened(await say('hello'), { token: await tokenOf('ada', 'chat:read', '5m') });
    // A minute is forgiven: clocks differ.
    clock.advance(7 * 60_000);
    expect(await stream.last()).toEqual(closed('ERR_UNAUTHENTICATED'));
  });

  test('when its token is revoked', async () => {
    const stream = await opened(await say('hello'));
    const before = clock.now() + 1_000;
    const revocations = revocationsOver(gate.store, { clock: clock.now });
    const target = { kind: 'sub', name: 'ada' } as const;
    const whole = { ...target, id: revocations.idOf(target), before, revokedAt: clock.now(), by: 'grace' };
    await revocations.add('default', whole);
    expect(await stream.last()).toEqual(closed('ERR_UNAUTHENTICATED'));
  });

  test('when the process is stopping', async () => {
    const stream = await opened(await say('hello'));
    isDraining = true;
    expect(await stream.last()).toEqual(closed('ERR_SHUTTING_DOWN'));
  });

  test('when its event is gone or the store is away', async () => {
    const id = await say('hello');
    const stream = await opened(id);
    await gate.store.close();
    expect(await stream.last()).toMatchObject({ event: 'close', data: { code: expect.stringMatching(/^ERR_/) } });
    gate = await openGate();
  });

  test('but not while a comment keeps it open', async () => {
    const stream = await opened(await say('hello'));
    clock.advance(20_000);
    expect(await stream.next()).toEqual({ comment: 'still here' });
    await stream.cancel();
  });
});

test('a stream that is not read is ended once 256 KiB wait in it, and its place is free again', async () => {
  const id = await say('hello');
  const record = await gate.store.events.get('default', id);
  if (record === null) throw new Error('the event is not there');
  let generation = 0;
  const streams = createChatStreams({ isDraining: () => false, clock: clock.now });
  const view = {
    event: id,
    conversation: 'c',
    state: 'running',
    receivedAt: new Date(0).toISOString(),
    reply: { text: 'x'.repeat(50_000) },
  } satisfies CallerView;
  const openOne = () =>
    streams({
      owner: 'ada',
      // Each look finds the event changed, so that a message is due every 50 ms.
      look: async () => {
        generation += 1;
        return { record: { ...record, generation }, view };
      },
      recheck: async () => {},
      lastEventId: undefined,
    });
  const stalled = await Promise.all(Array.from({ length: 10 }, openOne));
  await expect(openOne()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED' });
  await expect
    .poll(
      () =>
        openOne().then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: PATIENCE_MS },
    )
    .toBe(200);
  await expect(stalled[0]?.text()).rejects.toMatchObject({ code: 'ERR_BODY_TIMEOUT' });
});

test('a subject has ten streams, and another one when it has left one', async () => {
  const id = await say('hello');
  const streams = await Promise.all(Array.from({ length: 10 }, () => open(id)));
  expect(streams.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const refused = await open(id);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)]);
  await streams[0]?.body?.cancel();
  await expect.poll(async () => (await open(id)).status).toBe(200);
});
