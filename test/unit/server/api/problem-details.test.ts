import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Gate, JWT_SECRET, openGate } from '../../../support/gate.ts';
import { answered } from '../../../support/slack.ts';

/** What a caller sends that must not come back. */
const CANARY = 'c4n4ry-value';
const EVENT = 'ev_00000000000000000000000000';

let gate: Gate;
beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

const ALL = 'events:read events:write budgets:read budgets:write reviews:read reviews:decide audit:read';

async function call(path: string, { method = 'GET', scope = ALL, body }: Options = {}) {
  const bearer = await new SignJWT({ tenant: 'default', scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const init = { method, headers: { authorization: `Bearer ${bearer}` }, ...(body === undefined ? {} : { body }) };
  const answer = await answered(await gate.app.request(new Request(`http://gate.test${path}`, init)));
  expect(answer.body).not.toContain(CANARY);
  return { ...answer, json: JSON.parse(answer.body) };
}

interface Options {
  readonly method?: string;
  readonly scope?: string;
  readonly body?: string;
}

const json = (value: unknown): Options => ({ method: 'POST', body: JSON.stringify(value) });

describe('a 400 says which field is wrong and what it may be', () => {
  test.each<readonly [string, string, Options, { path: string; message: string }[]]>([
    [
      'a value that is none of a list',
      `/events?state=${CANARY}`,
      {},
      [
        {
          path: 'state',
          message: 'must be one of queued, running, waiting, review, parked, done, ignored, conflict, expired',
        },
      ],
    ],
    [
      'a channel that does not exist',
      `/events?channel=${CANARY}`,
      {},
      [{ path: 'channel', message: expect.stringMatching(/^must be one of slack, graph, gmail, teams/) }],
    ],
    [
      'a limit out of range',
      '/events?limit=201',
      {},
      [{ path: 'limit', message: 'must be a whole number from 1 to 200' }],
    ],
    [
      'a field nobody knows',
      `/events?${CANARY}=1`,
      {},
      [{ path: '', message: 'has an unknown field; allowed are state, channel, cursor, limit' }],
    ],
    ['another type', '/budgets/kill', json({ on: CANARY }), [{ path: 'on', message: 'must be a boolean' }]],
    ['a field that is missing', '/budgets/kill', json({}), [{ path: 'on', message: 'is required' }]],
    [
      'two at once',
      `/events/${EVENT}/resolve`,
      json({ effect: '', outcome: CANARY }),
      [
        { path: 'effect', message: 'must have at least 1 characters' },
        { path: 'outcome', message: 'must be one of delivered, not_delivered' },
      ],
    ],
    ['a body that is no object', '/budgets/kill', json([CANARY]), [{ path: '', message: 'must be an object' }]],
    [
      'a window nobody knows in a limit',
      '/budgets/tenant',
      { method: 'PUT', body: JSON.stringify({ usdMicros: { [CANARY]: 1 } }) },
      [{ path: 'usdMicros', message: expect.stringMatching(/^has an unknown field; allowed are /) }],
    ],
  ])('%s', async (_, path, options, errors) => {
    const { status, json: body } = await call(path, options);
    const detail = errors.map((one) => [one.path, one.message]);
    expect({ status, code: body.code, errors: body.errors }).toEqual({
      status: 400,
      code: 'ERR_INVALID_REQUEST',
      errors: detail.map(([at, message]) => ({ path: at, message })),
    });
    for (const { path: at, message } of body.errors) {
      expect(body.detail).toContain(at === '' ? message : `${at}: ${message}`);
    }
  });

  test('a body that is not JSON', async () => {
    const { status, json: body } = await call('/budgets/kill', { method: 'POST', body: `{${CANARY}` });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'ERR_BODY_UNPARSABLE', detail: 'the body is not JSON' });
  });

  test.each([
    ['at the top', `{"on":true,"on":false}`],
    ['alike', `{"on":true,"on":true}`],
    ['deep down, spelled in two ways', `{"on":true,"x":[{"y":{"\\u0061":1,"a":2}}]}`],
    ['that is __proto__', `{"on":true,"__proto__":{"on":false}}`],
    ['that is __proto__, escaped and deep down', `{"on":true,"x":[{"\\u005f_proto__":1}]}`],
  ])('a member that is repeated: %s', async (_, body) => {
    const answer = await call('/budgets/kill', { method: 'POST', body });
    expect(answer.status).toBe(400);
    const detail = 'the JSON repeats a member, or has a member __proto__';
    expect(answer.json).toMatchObject({ code: 'ERR_BODY_UNPARSABLE', detail });
    const said = await call('/chat', {
      method: 'POST',
      body: body.replaceAll('"on":', '"text":'),
      scope: 'chat:write',
    });
    expect([said.status, said.json.code]).toEqual([400, 'ERR_BODY_UNPARSABLE']);
  });

  test('colons and names within strings are no members', async () => {
    const body = JSON.stringify({ on: true, '"__proto__": {"a": 1, "a": 2}': 'x' });
    const { status, json: problem } = await call('/budgets/kill', { method: 'POST', body });
    expect([status, problem.code]).toEqual([400, 'ERR_INVALID_REQUEST']);
  });

  test('a body that is nested too deeply', async () => {
    const body = `{"on":${'['.repeat(5_000)}${']'.repeat(5_000)}}`;
    const { status, json: problem } = await call('/budgets/kill', { method: 'POST', body });
    expect([status, problem.code]).toEqual([400, 'ERR_BODY_UNPARSABLE']);
  });

  test('no more than ten of a thousand fields', async () => {
    const limits = Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`${CANARY}${at}`, { day: 1 }]));
    const { status, json: body } = await call('/budgets/tenant', { method: 'PUT', body: JSON.stringify(limits) });
    expect(status).toBe(400);
    expect(body.errors.length).toBeLessThanOrEqual(10);
  });
});

test('a 403 names the scope that is missing, in its body and in its challenge', async () => {
  const { status, headers, json: body } = await call('/budgets', { scope: 'events:read' });
  expect(status).toBe(403);
  expect(body).toMatchObject({ code: 'ERR_FORBIDDEN', detail: 'the token lacks the scope budgets:read' });
  expect(headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="budgets:read"');
});

test('a 401 says that the token does not count where one was given, and nothing more', async () => {
  const ask = async (authorization?: string): Promise<string | null> => {
    const headers = authorization === undefined ? {} : { authorization };
    const response = await gate.app.request(new Request('http://gate.test/events', { headers }));
    expect(response.status).toBe(401);
    return response.headers.get('www-authenticate');
  };
  expect(await ask()).toBe('Bearer');
  expect(await ask('Bearer garbage')).toBe('Bearer error="invalid_token"');
  expect(await ask(`Bearer ${'a'.repeat(5000)}.${'b'.repeat(5000)}.c`)).toBe('Bearer error="invalid_token"');
});

test('a 404 and a 409 say what about', async () => {
  expect((await call(`/events/${EVENT}`)).json).toMatchObject({ status: 404, detail: 'no such event' });
});
