import { afterEach, expect, test } from 'vitest';
import type { Replier } from '../../src/channels/channel.ts';
import { SallyportError } from '../../src/core/errors.ts';
import type { Agent } from '../../src/workers/agent.ts';
import type { Guardrail } from '../../src/workers/guardrails/guardrail.ts';
import { createFakeClock } from '../support/clock.ts';
import { type Gate, type GateOptions, openGate } from '../support/gate.ts';
import { message, postSlack } from '../support/slack.ts';

const SORRY = 'Sorry, not that.';
const clock = createFakeClock();
let gate: Gate;
afterEach(() => gate.stop());

const noPrices: Guardrail = {
  name: 'no-prices',
  stages: ['output'],
  check: ({ text }) => (text.includes('$') ? { kind: 'block', reason: 'price' } : { kind: 'pass' }),
};
const pricey: Agent = { name: 'test', guardrails: [noPrices], run: async () => ({ kind: 'reply', text: 'It is $5.' }) };

/** A channel that says what was posted under which id, and fails as often as it is told to. */
function channel(failures: readonly ('taken' | 'lost')[] = []) {
  const posted = new Map<string, string>();
  const ahead = [...failures];
  const replier: Replier = {
    async send({ text }, { replyId, begin }) {
      await begin();
      const failure = ahead.shift();
      if (failure !== 'lost') posted.set(replyId, posted.has(replyId) ? 'twice' : text);
      return failure === undefined ? { kind: 'delivered' } : { kind: 'ambiguous' };
    },
    find: async ({ replyId }) => (posted.has(replyId) ? 'delivered' : 'absent'),
  };
  return { replier, said: () => [...posted.values()] };
}

async function write(options: GateOptions, notice: Pick<GateOptions, 'blockedNotice'> = { blockedNotice: SORRY }) {
  gate = await openGate({ agent: pricey, clock: clock.now, ...notice, ...options });
  const { eventId } = await postSlack(gate.app, message({ text: 'hi', at: clock.now() }), { at: clock.now() });
  await drain(eventId ?? '');
  return eventId ?? '';
}
const recordOf = async (id: string) => {
  const record = await gate.store.events.get('default', id);
  if (record === null) throw new Error('expected a record');
  return record;
};
const drain = async (id: string): Promise<void> =>
  gate.drain({ tenant: 'default', key: (await recordOf(id)).event.conversation.key });
const blocked = { state: 'parked', failure: { code: 'ERR_GUARDRAIL_BLOCKED' } };

test('whoever asked is told once that a reply was blocked, in words that hold nothing of it', async () => {
  const { replier, said } = channel();
  const id = await write({ replier });
  expect(await recordOf(id)).toMatchObject(blocked);
  expect(said()).toEqual([SORRY]);
  await gate.store.events.redrive('default', id);
  await drain(id);
  expect(await recordOf(id)).toMatchObject({ ...blocked, generation: 2 });
  expect(said()).toEqual([SORRY]);
});

test('a block of what was asked is told as well', async () => {
  const { replier, said } = channel();
  const run = () => Promise.reject(new SallyportError('ERR_GUARDRAIL_BLOCKED', 'a guardrail blocked the input'));
  expect(await recordOf(await write({ replier, agent: { name: 'test', run } }))).toMatchObject(blocked);
  expect(said()).toEqual([SORRY]);
});

test.each(['taken', 'lost'] as const)('a notice that was %s and not confirmed is not said twice', async (failure) => {
  const { replier, said } = channel([failure]);
  const id = await write({ replier });
  expect(await recordOf(id)).toMatchObject(blocked);
  // Before the notice's intent is settled its absence would prove nothing.
  clock.advance(20_000);
  await gate.store.events.redrive('default', id);
  await drain(id);
  expect(said()).toEqual([SORRY]);
});

test('a guardrail that could not decide is no reason to tell anybody: it is asked again', async () => {
  const { replier, said } = channel();
  const broken: Guardrail = { ...noPrices, check: () => Promise.reject(new Error('down')) };
  const id = await write({ replier, agent: { ...pricey, guardrails: [broken] } });
  expect(await recordOf(id)).toMatchObject({ runs: [{ outcome: 'retry', code: 'ERR_GUARDRAIL_UNAVAILABLE' }] });
  expect(said()).toEqual([]);
});

test('who cannot be told, and who is not to be, changes nothing', async () => {
  expect(await recordOf(await write({}))).toMatchObject(blocked);
  await gate.stop();
  const mute: Replier = { ...channel().replier, send: () => Promise.reject(new Error('no')) };
  expect(await recordOf(await write({ replier: mute }))).toMatchObject(blocked);
  await gate.stop();
  const { replier, said } = channel();
  expect(await recordOf(await write({ replier }, {}))).toMatchObject(blocked);
  expect(said()).toEqual([]);
});
