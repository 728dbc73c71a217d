import { SignJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Replier } from '../../../../src/channels/channel.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../../../support/gate.ts';
import { answered, message, postSlack } from '../../../support/slack.ts';

let gate: Gate;

const reopen = async (options: GateOptions): Promise<void> => {
  await gate.stop();
  gate = await openGate(options);
};

beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

async function call(path: string, { tenant = 'default', method = 'GET' } = {}) {
  const bearer = await new SignJWT({ tenant, scope: 'events:read events:write' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const headers = { authorization: `Bearer ${bearer}` };
  const {
    status,
    body,
    headers: got,
  } = await answered(await gate.app.request(new Request(`http://gate.test${path}`, { method, headers })));
  return { status, type: got.get('content-type'), text: body, json: JSON.parse(body) };
}

const post = (path: string, options: { tenant?: string } = {}) => call(path, { ...options, method: 'POST' });

async function accept(text: string, at = Date.now()): Promise<string> {
  const { eventId } = await postSlack(gate.app, message({ text, channel: `D${text}`, at }), { at });
  return eventId ?? '';
}

async function drain(id: string): Promise<void> {
  const record = await gate.store.events.get('default', id);
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
}

const problem = (status: number, code: string, detail?: string) => ({
  type: 'about:blank',
  title: expect.stringMatching(/^[A-Z][a-z ;,’']+/),
  status,
  code,
  ...(detail === undefined ? {} : { detail }),
  requestId: 'request-1',
});

test('an event is shown with its runs, and without what its sender wrote or may do', async () => {
  const id = await accept('hello');
  await drain(id);
  const { status, type, json } = await call(`/events/${id}`);
  expect([status, type]).toEqual([200, 'application/json']);
  const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(json).toEqual({
    id,
    tenant: 'default',
    channel: 'slack',
    kind: 'message',
    state: 'done',
    generation: 1,
    receivedAt: at,
    deliveries: 1,
    attempts: 1,
    conversation: 'Dhello',
    mentioned: expect.any(Boolean),
    runs: [
      {
        startedAt: at,
        finishedAt: at,
        outcome: 'replied',
        usage: { usdMicros: 0, inputTokens: 0, outputTokens: 0, modelCalls: 0, toolCalls: 0 },
        agent: 'echo',
        reply: { text: 'echo: hello', state: 'unsent' },
      },
    ],
  });
});

test('an event of another tenant answers like one that never was', async () => {
  const id = await accept('mine');
  const unknown = `${id.slice(0, -4)}0000`;
  for (const path of ['', '/redrive', '/park']) {
    const method = path === '' ? 'GET' : 'POST';
    const theirs = await call(`/events/${id}${path}`, { tenant: 'other', method });
    const nobodys = await call(`/events/${unknown}${path}`, { method });
    expect(theirs).toEqual(nobodys);
    expect(theirs).toMatchObject({
      status: 404,
      type: 'application/problem+json',
      json: problem(404, 'ERR_NOT_FOUND', 'no such event'),
    });
  }
  expect((await call('/events', { tenant: 'other' })).json).toEqual({ events: [], cursor: null });
  expect((await call(`/events/${id}`)).json).toMatchObject({ state: 'queued' });
});

test.each([
  'ev_1',
  'c4n4ry',
  '%00',
  '..%2Fready',
  'ev_00000000000000000000000000%20',
  '*',
  '__proto__',
  'x'.repeat(4_000),
  '%E2%80%AE',
  '%',
])('what is no event’s id is not found, and not repeated: %s', async (id) => {
  const { status, json, text } = await call(`/events/${id}`);
  expect([status, json]).toEqual([404, problem(404, 'ERR_NOT_FOUND', 'no such event')]);
  expect(text).not.toContain('c4n4ry');
  expect((await post(`/events/${id}/park`)).status).toBe(404);
});

test('the store is not asked for what is no event’s id', async () => {
  const { store } = gate;
  const asked: string[] = [];
  const note = <T>(ask: (tenant: string, id: string) => Promise<T>) => {
    return (tenant: string, id: string): Promise<T> => {
      asked.push(id);
      return ask(tenant, id);
    };
  };
  const { get, park, redrive } = store.events;
  const events = { ...store.events, get: note(get), park: note(park), redrive: note(redrive) };
  gate = await openGate({ store: { ...store, events } });
  for (const id of ['x', 'ev_1', `ev_${'0'.repeat(26)}:journal`, `ev_${'0'.repeat(25)}l`]) {
    await call(`/events/${id}`);
    await post(`/events/${id}/park`);
    await post(`/events/${id}/redrive`);
  }
  expect(asked).toEqual([]);
});

test('the list is newest first, pages to its end, and shows each event once', async () => {
  const ids: string[] = [];
  // Ids are in the order of the milliseconds in which their deliveries arrived.
  let at = Date.now() - 10_000;
  const clock = (): number => {
    at += 1;
    return at;
  };
  gate = await openGate({ store: gate.store, clock });
  for (let i = 0; i < 7; i += 1) ids.push(await accept(`list${i}`));
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page = await call(`/events?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
    expect(page.json.events.length).toBeLessThanOrEqual(3);
    seen.push(...page.json.events.map(({ id }: { id: string }) => id));
    cursor = page.json.cursor;
  }
  expect(seen).toEqual([...ids].reverse());
});

test('the list is filtered by state and by channel', async () => {
  const done = await accept('done');
  await drain(done);
  const queued = await accept('queued');
  const idsOf = async (query: string) =>
    (await call(`/events?${query}`)).json.events.map(({ id }: { id: string }) => id);
  expect(await idsOf('state=done')).toEqual([done]);
  expect(await idsOf('state=queued&channel=slack')).toEqual([queued]);
  expect(await idsOf('channel=teams')).toEqual([]);
  expect(await idsOf('state=parked')).toEqual([]);
});

test.each([
  'state=c4n4ry',
  'state=',
  'state=DONE',
  'channel=c4n4ry',
  'limit=0',
  'limit=201',
  'limit=-1',
  'limit=1.5',
  'limit=1e2',
  'limit=0x10',
  'limit=+5',
  'limit=%205',
  'limit=',
  'limit=c4n4ry',
  'cursor=',
  'cursor=c4n4ry',
  'cursor=..%2F..%2Fx',
  `cursor=${'1'.repeat(5_000)}`,
  'c4n4ry=1',
  'tenant=other',
  '__proto__=1',
])('a query that is not exactly right is answered 400 and not repeated: %s', async (query) => {
  const { status, type, json, text } = await call(`/events?${query}`);
  const { errors, ...rest } = json;
  const detail = expect.stringMatching(/must be|is not|has an unknown field/);
  expect([status, type, rest]).toEqual([
    400,
    'application/problem+json',
    { ...problem(400, 'ERR_INVALID_REQUEST'), detail },
  ]);
  if (errors !== undefined) expect(errors).toEqual([{ path: expect.any(String), message: expect.any(String) }]);
  expect(text).not.toContain('c4n4ry');
});

test('park takes a waiting event out and redrive puts it back as a new generation', async () => {
  const id = await accept('again');
  expect((await post(`/events/${id}/park`)).json).toMatchObject({
    id,
    state: 'parked',
    generation: 1,
    failure: { code: 'ERR_PARKED_BY_OPERATOR' },
  });
  await drain(id);
  expect((await call(`/events/${id}`)).json).toMatchObject({ state: 'parked', runs: [] });
  const redriven = await post(`/events/${id}/redrive`);
  expect(redriven.json).toMatchObject({ id, state: 'queued', generation: 2, attempts: 0 });
  expect(redriven.json).not.toHaveProperty('failure');
  await drain(id);
  expect((await call(`/events/${id}`)).json).toMatchObject({ state: 'done', generation: 2 });
});

test('park and redrive leave every other state alone: 409', async () => {
  const id = await accept('still');
  const conflict = {
    status: 409,
    type: 'application/problem+json',
    json: problem(409, 'ERR_WRONG_STATE', 'the event is in another state'),
  };
  expect(await post(`/events/${id}/redrive`)).toMatchObject(conflict);
  await drain(id);
  expect(await post(`/events/${id}/redrive`)).toMatchObject(conflict);
  expect(await post(`/events/${id}/park`)).toMatchObject(conflict);
  expect((await call(`/events/${id}`)).json).toMatchObject({ state: 'done', generation: 1 });
});

test('of two operators who press at once, one is told that it was done already', async () => {
  const id = await accept('twice');
  await post(`/events/${id}/park`);
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(`/events/${id}/redrive`)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
  expect((await call(`/events/${id}`)).json).toMatchObject({ generation: 2 });
});

test('an effect of which nobody knows whether it happened keeps the event from being run again', async () => {
  const clock = createFakeClock(Date.now());
  // The vendor does not say whether it took the reply, and cannot tell afterwards.
  const replier: Replier = {
    async send(_, { begin }) {
      await begin();
      return { kind: 'ambiguous' };
    },
    find: async () => 'unknown',
  };
  await reopen({ replier, clock: clock.now });
  const id = await accept('ambiguous');
  await drain(id);
  clock.advance(60_000);
  await drain(id);
  expect((await call(`/events/${id}`)).json).toMatchObject({
    state: 'parked',
    failure: { code: 'ERR_AMBIGUOUS_EFFECT' },
  });
  expect(await post(`/events/${id}/redrive`)).toMatchObject({
    status: 409,
    json: problem(409, 'ERR_AMBIGUOUS_EFFECT', 'an effect has an unknown outcome'),
  });
});

test.each([
  ['PUT', '/events', 'GET, HEAD'],
  ['POST', '/events', 'GET, HEAD'],
  ['DELETE', '/events/ev_00000000000000000000000000', 'GET, HEAD'],
  ['GET', '/events/ev_00000000000000000000000000/park', 'POST'],
])('%s %s has other methods', async (method, path, allow) => {
  const response = await gate.app.request(path, { method });
  expect([response.status, response.headers.get('allow')]).toEqual([405, allow]);
});

test.each([
  ['POST', '/events/ev_00000000000000000000000000/frob'],
  ['GET', '/event'],
])('%s %s is no route', async (method, path) => {
  const { status, json } = await call(path, { method });
  expect([status, json]).toEqual([404, problem(404, 'ERR_UNKNOWN_ROUTE')]);
});
