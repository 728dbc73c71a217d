import { afterEach, expect, test } from 'vitest';
import type { Replier } from '../../../src/channels/channel.ts';
import { type EventRecord, noUsage } from '../../../src/core/event.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { REPLY_STEP } from '../../../src/queue/journal.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { backoffMs } from '../../../src/workers/attempt/failure.ts';
import { wholeChain } from '../../support/audit.ts';
import { createFakeClock } from '../../support/clock.ts';
import { type Gate, type GateOptions, openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';

let gate: Gate;
afterEach(() => gate.stop());

const clock = createFakeClock();
const agentThat = (run: Agent['run']): Agent => ({ name: 'test', run });

async function attempts(count: number, options: GateOptions): Promise<EventRecord | null> {
  gate = await openGate({ clock: clock.now, ...options });
  const { eventId } = await postSlack(gate.app, message({ text: 'hi', at: clock.now() }), { at: clock.now() });
  const key = (await gate.store.events.get('default', eventId ?? ''))?.event.conversation.key ?? '';
  for (let n = 0; n < count; n += 1) {
    await gate.drain({ tenant: 'default', key });
    clock.advance(12_000);
  }
  return gate.store.events.get('default', eventId ?? '');
}

test('an agent that throws is tried again after a wait, and then it succeeds', async () => {
  let calls = 0;
  const agent = agentThat(async () => {
    calls += 1;
    if (calls === 1) throw new Error('model is overloaded');
    return { kind: 'reply', text: 'better' };
  });
  const record = await attempts(2, { agent });
  expect(record).toMatchObject({ state: 'done', attempts: 2 });
  expect(record?.runs).toMatchObject([{ outcome: 'retry', code: 'ERR_AGENT_FAILED' }, { outcome: 'replied' }]);
  expect(JSON.stringify(record)).not.toContain('overloaded');
});

test('what an agent threw is in the log, for whoever wrote it', async () => {
  const lines: unknown[] = [];
  const logger = { ...silentLogger, warn: (fields: unknown, name: string) => void lines.push([name, fields]) };
  const agent = agentThat(() => Promise.reject(new TypeError('orders is not a function')));
  await attempts(1, { agent, workerLogger: logger });
  const error = expect.objectContaining({ message: 'orders is not a function' });
  const line = expect.objectContaining({ agent: 'test', reason: 'the agent failed', error });
  expect(lines).toContainEqual(['attempt.failed', line]);
});

test('an error that is its own cause is an error like any other', async () => {
  const round = new Error('round');
  round.cause = round;
  const record = await attempts(1, { agent: agentThat(() => Promise.reject(round)) });
  expect(record?.runs).toMatchObject([{ outcome: 'retry', code: 'ERR_AGENT_FAILED' }]);
});

test('an agent that always throws ends parked and visible, never silently failed', async () => {
  const agent = agentThat(() => Promise.reject(new Error('broken')));
  const record = await attempts(10, { agent });
  expect(record?.state).toBe('parked');
  expect(record?.failure?.code).toMatch(/^ERR_(BACKOFF|ATTEMPTS)_EXHAUSTED$/);
  expect((await gate.store.events.list('default', { state: 'parked', limit: 10 })).events).toHaveLength(1);
});

test('an agent that never settles is ended when the run’s seconds are over', async () => {
  const agent = agentThat(() => new Promise(() => {}));
  const record = await attempts(1, { agent, budget: { limits: { run: { seconds: { run: 1 } } } } });
  expect(record).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
});

test('an agent with nothing to say ends the event without a reply', async () => {
  const agent = agentThat(async () => ({ kind: 'silent' }));
  expect(await attempts(1, { agent })).toMatchObject({ state: 'done', runs: [{ outcome: 'silent' }] });
});

test('a parked event is redriven as a new generation and runs again', async () => {
  let isFixed = false;
  const agent = agentThat(async () => {
    if (!isFixed) throw new Error('broken');
    return { kind: 'reply', text: 'fixed' };
  });
  const parked = await attempts(10, { agent });
  isFixed = true;
  const id = parked?.event.id ?? '';
  expect(await gate.store.events.redrive('default', id)).toMatchObject({ kind: 'ok' });
  await gate.drain({ tenant: 'default', key: parked?.event.conversation.key ?? '' });
  expect(await gate.store.events.get('default', id)).toMatchObject({ state: 'done', generation: 2, attempts: 1 });
});

test('waits triple, are spread by half, stay under their cap and never undercut a vendor’s own', () => {
  expect([1, 2, 3, 4, 5, 9].map((attempt) => backoffMs(attempt, undefined, () => 1))).toEqual([
    1000, 3000, 9000, 27_000, 27_000, 27_000,
  ]);
  expect(backoffMs(3, undefined, () => 0)).toBe(4500);
  expect(backoffMs(1, 7_000, () => 0)).toBe(7000);
});

const secret = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');

/** A vendor that takes everything; `sent` is what it was given. */
function taking() {
  const sent: string[] = [];
  const replier: Replier = {
    send: async ({ text }, { begin }) => {
      await begin();
      sent.push(text);
      return { kind: 'delivered' };
    },
    find: async () => 'absent',
  };
  return { sent, replier };
}

test('what an agent says is scrubbed before it is recorded anywhere and before it is sent', async () => {
  const { sent, replier } = taking();
  // An agent of the operator's own, with none of the checks that assistants pass.
  const agent = agentThat(async () => ({ kind: 'reply', text: `it is ${secret}` }));
  const record = await attempts(1, { replier, agent });
  expect(sent).toEqual([expect.stringMatching(/^it is \[secret:/)]);
  expect(record).toMatchObject({ state: 'done', runs: [{ reply: { text: sent[0], state: 'delivered' } }] });
  expect(JSON.stringify(record)).not.toContain(secret);
});

test('a reply that an earlier attempt recorded is scrubbed again before it is sent: its rules may have been others', async () => {
  const { sent, replier } = taking();
  gate = await openGate({ clock: clock.now, replier, agent: agentThat(() => Promise.reject(new Error('not asked'))) });
  const at = clock.now();
  const { eventId } = await postSlack(gate.app, message({ text: 'hi', at }), { at });
  const { store } = gate;
  const key = (await store.events.get('default', eventId ?? ''))?.event.conversation.key ?? '';
  const taken = await store.lease.take({ tenant: 'default', key });
  if (taken.kind !== 'head') throw new Error(`expected a head, got ${taken.kind}`);
  // As a release before this one may have left it when the vendor refused the reply.
  const entry = { kind: 'refused', value: { text: `it is ${secret}` } } as const;
  expect(await store.journal.record(taken.lease, REPLY_STEP, entry, 0)).toBe(true);
  const run = { startedAt: at, finishedAt: at, outcome: 'released', usage: noUsage } as const;
  await store.lease.finish(taken.lease, { kind: 'released', run }, false);
  await gate.drain({ tenant: 'default', key });
  expect(sent).toEqual([expect.stringMatching(/^it is \[secret:/)]);
  const record = await store.events.get('default', eventId ?? '');
  expect(record).toMatchObject({ state: 'done', runs: [{}, { outcome: 'replied', reply: { text: sent[0] } }] });
  expect(JSON.stringify(record)).not.toContain(secret);
  const leaks = (await wholeChain(store)).filter(({ action }) => action === 'secret.leak_blocked');
  expect(leaks).toMatchObject([{ subject: eventId, data: { rules: ['github-token'] } }]);
});

test('a worker that is stopping ends the head it has, takes no other and leaves the rest to the next', async () => {
  let isStopping = false;
  const asked: string[] = [];
  const agent = agentThat(async ({ event }) => {
    asked.push(event.text);
    isStopping = true;
    return { kind: 'silent' };
  });
  gate = await openGate({ clock: clock.now, agent, isStopping: () => isStopping });
  const ids: string[] = [];
  for (const text of ['one', 'two', 'three']) {
    const at = clock.now();
    ids.push((await postSlack(gate.app, message({ text, channel: 'D0', at }), { at })).eventId ?? '');
    clock.advance(1_000);
  }
  const records = await Promise.all(ids.map((id) => gate.store.events.get('default', id)));
  const [key = '', ...others] = new Set(records.map((record) => record?.event.conversation.key ?? ''));
  expect(others).toEqual([]);
  await gate.drain({ tenant: 'default', key });
  expect(asked).toEqual(['one']);
  const states = async () =>
    (await Promise.all(ids.map((id) => gate.store.events.get('default', id)))).map((record) => record?.state);
  expect(await states()).toEqual(['done', 'queued', 'queued']);
  isStopping = false;
  await gate.drain({ tenant: 'default', key });
  expect(asked).toEqual(['one', 'two']);
});
