import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import type { Store } from '../../../src/queue/store.ts';
import { type BotConnectorServer, startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import { signTeamsOutgoing, type TeamsActivity } from '../../../src/testing/teams/signer.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { createFakeClock } from '../../support/clock.ts';
import {
  botKey,
  openTeamsGate,
  openTeamsStore,
  SECURITY_TOKEN,
  said,
  signed,
  type TeamsGate,
  type TeamsGateOptions,
} from '../../support/teams.ts';

const clock = createFakeClock();
const at = clock.now();
const OUTGOING = '/hooks/teams/acme/outgoing';

let connector: BotConnectorServer;
let folder: string;
const closing: (() => Promise<void>)[] = [];

async function open(options: Partial<TeamsGateOptions> = {}): Promise<TeamsGate> {
  const gate = await openTeamsGate({ connector, clock: clock.now, ...options });
  closing.push(gate.stop);
  return gate;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-teams-response-'));
  connector = await startBotConnectorServer({ keys: [botKey] });
});
afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
  await connector.stop();
  await rm(folder, { recursive: true, force: true });
});

const invoke = (name: string, value: unknown = { data: { q: 'cats' } }): TeamsActivity => ({
  ...said({ text: '', at }),
  type: 'invoke',
  text: undefined,
  name,
  value,
});
const expecting = (text: string): TeamsActivity => ({ ...said({ text, at }), deliveryMode: 'expectReplies' });
const outgoing = (text: string) => signTeamsOutgoing(said({ text, at }), { securityToken: SECURITY_TOKEN, at });

const silent: Agent = { name: 'silent', run: async () => ({ kind: 'silent' }) };
/** Never retried: what it throws is not a thing that passes. */
const broken: Agent = {
  name: 'broken',
  run: async () => {
    throw new SallyportError('ERR_SOURCE_REJECTED', 'broken');
  },
};

describe('an invoke', () => {
  it.each([
    ['composeExtension/query', { composeExtension: { type: 'message', text: 'echo: cats' } }],
    ['composeExtension/queryLink', { composeExtension: { type: 'message', text: 'echo: cats' } }],
    ['composeExtension/submitAction', { task: { type: 'message', value: 'echo: cats' } }],
    ['task/submit', { task: { type: 'message', value: 'echo: cats' } }],
    [
      'adaptiveCard/action',
      { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: 'echo: cats' },
    ],
    ['something/else', { type: 'message', text: 'echo: cats' }],
  ])('%s is answered 200 with the reply in its own shape', async (name, expected) => {
    const gate = await open();
    gate.work();
    const { status, outcome, body, headers, eventId } = await gate.post(signed(invoke(name), { at }));
    expect([status, outcome, headers.get('content-type')]).toEqual([200, 'accepted', 'application/json']);
    expect(JSON.parse(body)).toEqual(expected);
    const record = await gate.store.events.get('acme', eventId ?? '');
    expect(record).toMatchObject({ state: 'done', runs: [{ reply: { state: 'delivered' } }] });
    expect(record?.event.sealed).toEqual({});
  });

  it('sent again is a duplicate with the same answer, and no second run', async () => {
    const gate = await open();
    gate.work();
    const activity = invoke('task/submit');
    const first = await gate.post(signed(activity, { at }));
    const again = await gate.post(signed(activity, { at: at + 15_000 }));
    expect(again).toMatchObject({ status: 200, outcome: 'duplicate', eventId: first.eventId, body: first.body });
    expect(await gate.settle(first.eventId)).toMatchObject({ deliveries: 2, attempts: 1 });
  });
});

describe('an activity that expects its replies', () => {
  it('is answered 200 with them, and nothing is posted', async () => {
    const gate = await open();
    gate.work();
    const { status, body } = await gate.post(signed(expecting('hello'), { at }));
    expect([status, JSON.parse(body)]).toEqual([200, { activities: [{ type: 'message', text: 'echo: hello' }] }]);
    expect(connector.posts).toEqual([]);
  });
});

describe('when there is no reply', () => {
  const post = async (gate: TeamsGate): Promise<unknown[]> => {
    const answers = [
      await gate.post(signed(invoke('task/submit'), { at })),
      await gate.post(signed(expecting('hello'), { at })),
      await gate.post(outgoing('hello'), OUTGOING),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    return answers.map(({ body }) => JSON.parse(body));
  };

  it('an agent that has nothing to say makes an empty answer', async () => {
    const gate = await open({ agent: silent });
    gate.work();
    expect(await post(gate)).toEqual([{}, { activities: [] }, { type: 'message', text: '' }]);
  });

  it('an agent that fails makes a polite one', async () => {
    const gate = await open({ agent: broken });
    gate.work();
    const text = 'Sorry, this could not be answered.';
    expect(await post(gate)).toEqual([
      { task: { type: 'message', value: text } },
      { activities: [{ type: 'message', text }] },
      { type: 'message', text },
    ]);
  });

  it('a reply that a person has to see first is not in the answer, nor is one they rejected', async () => {
    const careful: Agent = {
      name: 'careful',
      isFree: true,
      run: async () => ({ kind: 'reply', text: 'the secret plan', review: true }),
    };
    const gate = await open({ agent: careful });
    gate.work();
    const text = expect.stringMatching(/^Somebody has to look at the answer first/);
    const answer = { task: { type: 'message', value: text } };
    expect(await post(gate)).toEqual([answer, { activities: [{ type: 'message', text }] }, { type: 'message', text }]);

    const activity = invoke('task/submit');
    const { body, eventId } = await gate.post(signed(activity, { at }));
    expect(JSON.parse(body)).toEqual(answer);
    const digest = (await gate.store.events.get('acme', eventId ?? ''))?.review?.digest ?? '';
    await gate.store.reviews.decide('acme', eventId ?? '', digest, { kind: 'reject', by: 'ada', at });
    const again = await gate.post(signed(activity, { at: at + 15_000 }));
    expect(again).toMatchObject({ outcome: 'duplicate', eventId });
    expect(JSON.parse(again.body)).toEqual({ task: { type: 'message', value: 'Sorry, this could not be answered.' } });
  });

  it('an agent that is slow makes a polite one, and is not waited for longer than the sender waits', async () => {
    const waits: number[] = [];
    const { store } = await open();
    const impatient: Store = {
      ...store,
      jobs: {
        ...store.jobs,
        awaitResult: async (_tenant, _id, timeoutMs) => {
          waits.push(timeoutMs);
          return null;
        },
      },
    };
    const text = 'This is taking longer than Teams waits for an answer. Please ask again in a moment.';
    expect(await post(await open({ store: impatient }))).toEqual([
      { task: { type: 'message', value: text } },
      { activities: [{ type: 'message', text }] },
      { type: 'message', text },
    ]);
    expect(waits).toEqual([4_500, 12_000, 4_500]);
  });
});

it('a reply that comes after the response is kept, and nobody is told that it was delivered', async () => {
  let now = at;
  const late: Agent = {
    name: 'late',
    isFree: true,
    run: async () => {
      now += 12_001;
      return { kind: 'reply', text: 'too late' };
    },
  };
  const gate = await open({ agent: late, clock: () => now });
  gate.work();
  const { eventId } = await gate.post(signed(expecting('hello'), { at }));
  const reply = { text: 'too late', state: 'unsent' };
  expect(await gate.settle(eventId)).toMatchObject({ state: 'done', runs: [{ reply }] });
  expect(connector.posts).toEqual([]);
});

describe('over two processes', () => {
  let ingress: TeamsGate;

  beforeEach(async () => {
    const path = join(folder, `${Math.random()}.db`);
    const stores = [await openTeamsStore(path, clock.now), await openTeamsStore(path, clock.now)] as const;
    ingress = await open({ store: stores[0] });
    const worker = await open({ store: stores[1] });
    worker.work();
    closing.push(...stores.map((store) => () => store.close()));
  });

  it.each([
    ['an invoke', () => ingress.post(signed(invoke('task/submit'), { at }))],
    ['expected replies', () => ingress.post(signed(expecting('cats'), { at }))],
    ['an outgoing webhook', () => ingress.post(outgoing('cats'), OUTGOING)],
  ])('%s is answered by the process that took it with the reply of the one that ran it', async (_, post) => {
    const { status, body } = await post();
    expect([status, body]).toEqual([200, expect.stringContaining('echo: cats')]);
  });
});
