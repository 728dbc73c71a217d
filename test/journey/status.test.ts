import { afterEach, beforeEach, expect, test } from 'vitest';
import { SallyportError } from '../../src/core/errors.ts';
import { signSlackRequest, slackJson } from '../../src/testing/slack/signer.ts';
import { slackStatus } from '../contracts/slack-status.contract.ts';
import { openNodeFront } from '../support/fronts.ts';
import { type Gate, type GateOptions, openGate, SIGNING_SECRET } from '../support/gate.ts';
import { answered, message, postSlack } from '../support/slack.ts';

slackStatus('Node', openNodeFront);

/*
 * What only Node has: a store that can be away or lack replicas, the cap of a queue, the rate of a channel (the origin's
 * answer at the edge too), and a process that stops. How much of a body was read is seen without a socket alone.
 */

let gate: Gate;

const reopen = async (options: GateOptions): Promise<void> => {
  await gate.stop();
  gate = await openGate(options);
};

beforeEach(async () => {
  gate = await openGate();
});
afterEach(() => gate.stop());

test('a chunked body over the limit is answered 413 while it is being read', async () => {
  const { headers } = signSlackRequest(slackJson({}), { signingSecret: SIGNING_SECRET, at: Date.now() });
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 64 * 1024;
      controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
      if (sent >= 5 * 1024 * 1024) controller.close();
    },
  });
  const init = { method: 'POST', duplex: 'half', headers, body } as RequestInit;
  const answer = await answered(await gate.app.request('http://gate.test/hooks/slack/default', init));
  expect(answer.status).toBe(413);
  expect(answer.headers.get('x-slack-no-retry')).toBe('1');
  expect(sent).toBeLessThan(2 * 1024 * 1024);
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
