import { afterEach, beforeEach, expect, test } from 'vitest';
import { SallyportError } from '../../src/core/errors.ts';
import { signSlackRequest, slackForm, slackJson } from '../../src/testing/slack/signer.ts';
import { type Gate, type GateOptions, openGate, SIGNING_SECRET } from '../support/gate.ts';
import { answered, message, postSlack } from '../support/slack.ts';

let gate: Gate;

const reopen = async (options: GateOptions): Promise<void> => {
  await gate.stop();
  gate = await openGate(options);
};

beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

const sign = (body: Parameters<typeof signSlackRequest>[0]) =>
  signSlackRequest(body, { signingSecret: SIGNING_SECRET, at: Date.now() });

async function post(path: string, init: { headers?: Record<string, string>; body?: Uint8Array | ReadableStream }) {
  const request = new Request(`http://gate.test${path}`, { method: 'POST', duplex: 'half', ...init } as RequestInit);
  return answered(await gate.app.request(request));
}

test.each(['stale', 'future', 'wrong-key', 'altered'] as const)(
  'a forgery (%s) is answered 401 without a body, an outcome or a no-retry header',
  async (tamper) => {
    const answer = await postSlack(gate.app, message({ text: 'x' }), { tamper });
    expect(answer).toMatchObject({ status: 401, body: '', outcome: null, eventId: null });
    expect(answer.headers.has('x-slack-no-retry')).toBe(false);
  },
);

test.each(['stale', 'future'] as const)('a %s forgery is one even after 20 s on its way', async (tamper) => {
  const at = Date.now();
  await reopen({ clock: () => at + 20_000 });
  expect((await postSlack(gate.app, message({ text: 'x' }), { tamper, at })).status).toBe(401);
});

test('url_verification is answered with the challenge, as text', async () => {
  const answer = await postSlack(gate.app, { type: 'url_verification', challenge: '3eZbrw1aBm2rZgRN', token: 'x' });
  expect(answer).toMatchObject({ status: 200, outcome: 'handshake', body: '3eZbrw1aBm2rZgRN' });
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
});

test('an unsigned ssl_check is answered 200 and nothing in it is looked at', async () => {
  const { headers, body } = slackFormRequest({ ssl_check: '1', token: 'x' });
  expect(await post('/hooks/slack/default', { headers, body })).toMatchObject({ status: 200, body: '' });
  const smuggled = slackFormRequest({ ssl_check: '1', payload: JSON.stringify(message({ text: 'in' })) });
  await post('/hooks/slack/default', smuggled);
  expect((await gate.store.events.list('default', { limit: 1 })).events).toEqual([]);
});

const slackFormRequest = (fields: Record<string, string>) => {
  const { contentType, body } = slackForm(fields);
  return { headers: { 'content-type': contentType }, body: new TextEncoder().encode(String(body)) };
};

test('signed but unparsable is answered 400 and Slack is told not to retry', async () => {
  const { headers, body } = sign({ contentType: 'application/json', body: '{"type":' });
  const answer = await post('/hooks/slack/default', { headers, body });
  expect(answer).toMatchObject({ status: 400, body: '' });
  expect(answer.headers.get('x-slack-no-retry')).toBe('1');
});

test('a chunked body over the limit is answered 413 while it is being read', async () => {
  const { headers } = sign(slackJson({}));
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 64 * 1024;
      controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      if (sent >= 5 * 1024 * 1024) controller.close();
    },
  });
  const answer = await post('/hooks/slack/default', { headers, body });
  expect(answer.status).toBe(413);
  expect(answer.headers.get('x-slack-no-retry')).toBe('1');
  expect(sent).toBeLessThan(2 * 1024 * 1024);
});

test('a body that comes too slowly is answered 408', async () => {
  await reopen({ bodyTimeoutMs: 50 });
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array([0x7b])) });
  expect((await post('/hooks/slack/default', { headers: sign(slackJson({})).headers, body })).status).toBe(408);
});

test('any method but POST is answered 405 before the tenant is looked at', async () => {
  for (const path of ['/hooks/slack/default', '/hooks/slack/nobody', '/hooks/slack']) {
    const answer = await answered(await gate.app.request(`http://gate.test${path}`));
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST');
  }
});

test('an unknown path, tenant and channel get the same answer', async () => {
  const paths = [
    '/nowhere',
    '/hooks/slack/nobody',
    '/hooks/gmail/default',
    '/hooks/telegram',
    '/hooks/slack/default/x',
  ];
  const answers = await Promise.all(paths.map((path) => post(path, {})));
  expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 404));
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1);
});

test('a hook without a tenant is the default one', async () => {
  expect(await postSlack(gate.app, message({ text: 'hi' }), { path: '/hooks/slack' })).toMatchObject({
    outcome: 'accepted',
  });
});

test.each([
  ['the store is away', 'ERR_STORE_UNAVAILABLE'],
  ['too few replicas hold it', 'ERR_REPLICAS_MISSING'],
] as const)('when %s the answer is 503 with Retry-After and without no-retry', async (_, code) => {
  const { store } = gate;
  await reopen({
    store: {
      ...store,
      close: async () => {},
      inbox: { accept: () => Promise.reject(new SallyportError(code, 'away')) },
    },
  });
  expectComeBack(await postSlack(gate.app, message({ text: 'hi' })));
});

test('at the tenant’s cap the answer is 503, and the same event is accepted once there is room', async () => {
  await reopen({ limits: { queueCap: 1 } });
  const first = await postSlack(gate.app, message({ text: 'one' }));
  const second = message({ text: 'two' });
  expectComeBack(await postSlack(gate.app, second));
  const record = await gate.store.events.get('default', first.eventId ?? '');
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
  expect(await postSlack(gate.app, second)).toMatchObject({ status: 200, outcome: 'accepted' });
});

test('over the rate of a channel the answer is 503 with the time to wait, and the same event is accepted later', async () => {
  let now = Date.now();
  await reopen({ limits: { channelRate: { count: 1, windowMs: 30_000 } }, clock: () => now });
  expect((await postSlack(gate.app, message({ text: 'one' }))).status).toBe(200);
  const second = message({ text: 'two' });
  const refused = await postSlack(gate.app, second);
  expectComeBack(refused);
  expect(refused.headers.get('retry-after')).toBe('30');
  now += 30_000;
  expect(await postSlack(gate.app, second)).toMatchObject({ status: 200, outcome: 'accepted' });
});

test('a gate that is stopping answers 503', async () => {
  await reopen({ isDraining: () => true });
  expectComeBack(await postSlack(gate.app, message({ text: 'hi' })));
});

function expectComeBack(answer: Awaited<ReturnType<typeof postSlack>>): void {
  expect(answer).toMatchObject({ status: 503, body: '', outcome: null });
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(answer.headers.has('x-slack-no-retry')).toBe(false);
}

test('a source over its rate of forgeries gets 429; authentic deliveries from it still pass', async () => {
  await reopen({ failuresPerMinute: 3 });
  const statuses: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    statuses.push((await postSlack(gate.app, message({ text: 'x' }), { tamper: 'wrong-key' })).status);
  }
  expect(statuses).toEqual([401, 401, 401, 429, 429]);
  expect(await postSlack(gate.app, message({ text: 'hi' }))).toMatchObject({ status: 200, outcome: 'accepted' });
});

test('handshakes over the rate get 429', async () => {
  await reopen({ failuresPerMinute: 2 });
  const statuses: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    statuses.push((await postSlack(gate.app, { type: 'url_verification', challenge: 'abc' })).status);
  }
  expect(statuses).toEqual([200, 200, 429]);
});

test('no answer repeats what was sent', async () => {
  const canary = 'canary-7f3a';
  const answers = await Promise.all([
    post(`/hooks/slack/${canary}`, {}),
    post(`/${canary}`, { headers: { 'x-slack-signature': canary } }),
    post('/hooks/slack/default', { headers: { 'x-slack-signature': canary, 'x-slack-request-timestamp': canary } }),
    post('/hooks/slack/default', sign({ contentType: 'application/json', body: `{"${canary}` })),
  ]);
  for (const { body, headers } of answers) expect(body + JSON.stringify([...headers])).not.toContain(canary);
});
