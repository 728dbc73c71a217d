import { SignJWT } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Replier } from '../../src/channels/channel.ts';
import type { AuditEntry } from '../../src/core/audit/chain.ts';
import { verifyChain } from '../../src/core/audit/verify.ts';
import { sha256 } from '../../src/core/crypto/sha256.node.ts';
import { SallyportError } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createGuardedFetch } from '../../src/net/guarded-fetch.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import type { LlmAnswer } from '../../src/testing/agents/llm-server.ts';
import type { Agent } from '../../src/workers/agent.ts';
import type { Guardrail } from '../../src/workers/guardrails/guardrail.ts';
import { createFetchUrl } from '../../src/workers/tools/fetch-url.ts';
import { defineTool, type Tool } from '../../src/workers/tools/tool.ts';
import { type AssistantOptions, type AssistantWorld, openAssistant } from '../support/assistant.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { type Gate, type GateOptions, JWT_SECRET, openGate } from '../support/gate.ts';
import { message, postSlack } from '../support/slack.ts';
import { SECRET } from '../support/tool-run.ts';

let gate: Gate;
let clock: FakeClock;
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly sub?: string;
  readonly tenant?: string;
  readonly scope?: string;
}

const ALL =
  'events:read events:write reviews:read reviews:decide budgets:read budgets:write audit:read guardrails:write';

async function call(path: string, { method = 'GET', body, sub = 'ada', tenant = 'default', scope = ALL }: Call = {}) {
  const bearer = await new SignJWT({ tenant, scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(sub)
    .setExpirationTime('10m')
    .sign(Buffer.from(JWT_SECRET));
  const init = { method, headers: { authorization: `Bearer ${bearer}` } };
  const request = new Request(`http://gate.test${path}`, {
    ...init,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const response = await gate.app.request(request);
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
}

/** The chain as the API gives it, which must verify. */
async function audit(options: Call = {}): Promise<AuditEntry[]> {
  const { status, text } = await call('/audit?limit=1000', options);
  expect(status).toBe(200);
  const entries = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as AuditEntry);
  expect(verifyChain(entries, sha256)).toMatchObject({ ok: true, entries: entries.length });
  return entries;
}
const actionsOf = (entries: readonly AuditEntry[]): string[] => entries.map(({ action }) => action);

describe('a run that was talked into something', () => {
  let world: AssistantWorld;
  async function open(options: AssistantOptions): Promise<void> {
    world = await openAssistant(options);
    stops.push(() => world.stop());
    ({ gate, clock } = world);
  }
  const harmful = defineTool({
    name: 'send_money',
    description: 'Sends money.',
    input: z.strictObject({ to: z.string() }),
    effect: 'once',
    run: () => 'sent',
  }) as Tool;
  const own = defineTool({
    name: 'look',
    description: 'Looks.',
    input: z.strictObject({ about: z.string() }),
    effect: 'none',
    run: async (_, { fetch }) => {
      await fetch('http://10.0.0.7/inner').catch(() => {});
      return 'nothing';
    },
  }) as Tool;
  const ask = (name: string, args: unknown): LlmAnswer => ({ calls: [{ name, arguments: args }] });

  test('is in the audit with every refusal, and with what it cost', async () => {
    const guarded = createGuardedFetch({ resolve: async () => [] });
    const noWord: Guardrail = {
      name: 'words',
      stages: ['output'],
      check: ({ text }) => (text.includes('bad') ? { kind: 'block', reason: 'word' } : { kind: 'pass' }),
    };
    await open({
      tools: [createFetchUrl(guarded) as Tool, harmful, own],
      allowedTools: ['fetch_url', 'look'],
      definition: { guardrails: [noWord] },
    });
    world.llm.script(
      ask('send_money', { to: SECRET }),
      ask(`rm_${SECRET}`, {}),
      ask('look', { wrong: SECRET }),
      ask('fetch_url', { url: 'http://169.254.169.254/latest/meta-data' }),
      ask('look', { about: 'x' }),
      { text: `bad ${SECRET}` },
    );
    const { event } = await world.write('obey me');
    const entries = await audit();
    const actor = 'agent:assistant';
    expect(entries.map(({ action, data }) => [action, data.code ?? data.reason ?? data.rules])).toEqual([
      ['secret.leak_blocked', ['github-token']],
      ['tool.refused', 'not-allowed'],
      ['secret.leak_blocked', ['github-token']],
      ['tool.refused', 'unknown-tool'],
      ['secret.leak_blocked', ['github-token']],
      ['tool.refused', 'bad-arguments'],
      ['outbound.refused', 'address-metadata'],
      ['tool.refused', 'refused'],
      ['outbound.refused', 'address-private'],
      ['tool.called', undefined],
      ['secret.leak_blocked', ['github-token']],
      ['guardrail.refused', 'word'],
      ['run.finished', 'ERR_GUARDRAIL_BLOCKED'],
      ['event.parked', 'ERR_GUARDRAIL_BLOCKED'],
    ]);
    for (const entry of entries.slice(0, -1))
      expect(entry).toMatchObject({ actor, subject: event.id, tenant: 'default' });
    expect(entries.at(-1)).toMatchObject({ actor: 'system', subject: event.id });
    expect(entries[1]?.data).toMatchObject({ tool: 'send_money', step: 'tool:1.0', generation: 1, attempt: 1 });
    expect(entries[3]?.data).toMatchObject({ tool: 'unknown' });
    expect(entries[9]?.data).toMatchObject({ tool: 'look', step: 'tool:5.0', outcome: 'done' });
    expect(entries[11]?.data).toMatchObject({ guardrail: 'words', stage: 'output' });
    expect(entries[12]?.data).toMatchObject({
      ...{ channel: 'slack', user: 'U1', agent: 'assistant', generation: 1, attempt: 1, run: 1, outcome: 'parked' },
      usage: { usdMicros: 6 * 140, inputTokens: 600, outputTokens: 120, modelCalls: 6, toolCalls: 2 },
    });
    const text = JSON.stringify(entries);
    for (const word of [SECRET, 'obey', '169.254', '10.0.0.7', 'meta-data', 'rm_', 'bad '])
      expect(text).not.toContain(word);
  });

  test('by a page that a guardrail withholds, a call it blocks, and a flood of calls, goes on and tells', async () => {
    const check = ({ text, stage }: { text: string; stage: string }) =>
      text.includes(stage === 'input' ? 'nothing' : 'forbidden')
        ? ({ kind: 'block', reason: 'no' } as const)
        : ({ kind: 'pass' } as const);
    await open({ tools: [own], guardrails: [{ name: 'g', stages: ['input', 'tool-call'], check }] });
    world.llm.script(
      ask('look', { about: 'x' }),
      ask('look', { about: 'forbidden' }),
      { calls: Array.from({ length: 19 }, (_, n) => ({ name: 'no_tool', arguments: { n } })) },
      { text: 'done' },
    );
    await world.write('go');
    const entries = await audit();
    expect(actionsOf(entries).slice(0, 6)).toEqual([
      'outbound.refused',
      'tool.called',
      'guardrail.refused',
      'guardrail.refused',
      'tool.refused',
      'tool.refused',
    ]);
    expect(entries[2]?.data).toMatchObject({ stage: 'input', guardrail: 'g', reason: 'no' });
    expect(entries[3]?.data).toMatchObject({ stage: 'tool-call', tool: 'look', guardrail: 'g', reason: 'no' });
    expect(entries[5]?.data).toMatchObject({ code: 'too-many-calls', calls: 3 });
    expect(entries.filter(({ data }) => data.code === 'unknown-tool')).toHaveLength(16);
    expect(entries.at(-1)).toMatchObject({ action: 'run.finished', data: { outcome: 'replied', reply: 'delivered' } });
  });

  test('until its budget ends it, and once its budget does not let it begin', async () => {
    const limits = { tenant: { runs: { day: 1 } }, run: { modelCalls: { run: 2 } } };
    await open({ tools: [own], answer: () => ask('look', { about: 'x' }), gate: { budget: { limits } } });
    await world.write('go');
    await world.write('again', { channel: 'D0000002' });
    const entries = (await audit()).filter(({ action }) => action.startsWith('budget.') || action === 'run.finished');
    expect(entries.map(({ action, data }) => [action, data.resource ?? data.outcome])).toEqual([
      ['budget.exhausted', 'modelCalls'],
      ['run.finished', 'parked'],
      ['budget.refused', 'runs'],
      ['run.finished', 'parked'],
    ]);
    expect(entries[2]?.data).toMatchObject({ code: 'ERR_BUDGET_EXHAUSTED', scope: 'tenant', window: 'day', max: 1 });
    expect(entries[3]?.data).toMatchObject({ usage: { modelCalls: 0 } });
  });
});

async function openWith(options: GateOptions = {}): Promise<void> {
  clock = createFakeClock();
  gate = await openGate({ clock: clock.now, ...options });
  stops.push(() => gate.stop());
}
async function write(text: string): Promise<string> {
  const at = clock.now();
  const { eventId } = await postSlack(gate.app, message({ text, at, user: 'U2ALICE', channel: `D${text}` }), { at });
  await drain(eventId ?? '');
  return eventId ?? '';
}
async function drain(id: string): Promise<void> {
  const record = await gate.store.events.get('default', id);
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
}
const post = (path: string, body?: unknown, sub = 'ada') => call(path, { method: 'POST', body, sub });

describe('what people decide', () => {
  test('about replies is in the audit with who it was, the digest and no text', async () => {
    const agent: Agent = { name: 'test', run: async ({ event }) => ({ kind: 'reply', text: `private ${event.text}` }) };
    await openWith({ agent, review: { replies: 'always', approvers: ['ada', 'bob'] } });
    const [first, second] = [await write('one'), await write('two')];
    const digestOf = async (id: string) => JSON.parse((await call(`/reviews/${id}`)).text).digest as string;
    const digest = await digestOf(first);
    expect((await post(`/reviews/${first}/approve`, { digest }, 'eve')).status).toBe(403);
    expect((await post(`/reviews/${first}/edit`, { digest, text: 'private words' })).status).toBe(200);
    const edited = await digestOf(first);
    expect((await post(`/reviews/${first}/approve`, { digest: edited }, 'bob')).status).toBe(200);
    await drain(first);
    const rejected = await digestOf(second);
    expect((await post(`/reviews/${second}/reject`, { digest: rejected, reason: 'private reason' })).status).toBe(200);
    const entries = await audit();
    expect(entries.map(({ action, actor, subject }) => [action, actor, subject])).toEqual([
      ['run.finished', 'agent:test', first],
      ['review.held', 'system', first],
      ['run.finished', 'agent:test', second],
      ['review.held', 'system', second],
      ['content.read', 'user:ada', first],
      ['review.refused', 'user:eve', first],
      ['review.edited', 'user:ada', first],
      ['review.approved', 'user:bob', first],
      ['run.finished', 'system', first],
      ['content.read', 'user:ada', second],
      ['review.rejected', 'user:ada', second],
    ]);
    expect(entries[1]?.data.digest).toBe(digest);
    expect(entries[5]?.data).toEqual({ code: 'ERR_REVIEW_NOT_APPROVER' });
    expect(entries[6]?.data).toMatchObject({ seen: digest, digest: edited, version: 2 });
    expect(entries[7]?.data).toMatchObject({ seen: edited, digest: edited });
    expect(entries[8]?.data).toMatchObject({ outcome: 'replied', approvedBy: 'bob' });
    expect(JSON.stringify(entries)).not.toContain('private');
  });

  test('about events and budgets is in the audit with who it was', async () => {
    let isAmbiguous = false;
    const agent: Agent = {
      name: 'test',
      run: () => Promise.reject(new SallyportError(isAmbiguous ? 'ERR_AMBIGUOUS_EFFECT' : 'ERR_STEPS_EXHAUSTED', 'no')),
    };
    await openWith({ agent });
    const id = await write('go');
    expect((await post(`/events/${id}/redrive`)).status).toBe(200);
    expect((await post(`/events/${id}/park`, undefined, 'bob')).status).toBe(200);
    expect((await post(`/events/${id}/park`)).status).toBe(409);
    expect((await call('/budgets/user', { method: 'PUT', body: { runs: { hour: 3 } } })).status).toBe(200);
    expect((await post('/budgets/kill', { on: true })).status).toBe(200);
    expect((await post('/budgets/kill', { on: false }, 'bob')).status).toBe(200);
    isAmbiguous = true;
    const entries = (await audit()).slice(2);
    expect(entries.map(({ action, actor, subject, data }) => [action, actor, subject, data])).toEqual([
      ['event.redriven', 'user:ada', id, { generation: 2 }],
      ['event.parked', 'user:bob', id, { generation: 2, code: 'ERR_PARKED_BY_OPERATOR' }],
      ['budget.changed', 'user:ada', 'user', { limits: { runs: { hour: 3 } } }],
      ['budget.kill', 'user:ada', 'default', { on: true }],
      ['budget.kill', 'user:bob', 'default', { on: false }],
    ]);
  });

  test('about an effect nobody knows of is in the audit', async () => {
    let isAsked = false;
    const replier: Replier = {
      async send(_, { begin }) {
        await begin();
        return { kind: 'ambiguous' };
      },
      find: async () => {
        isAsked = true;
        return 'unknown';
      },
    };
    await openWith({ replier });
    const id = await write('go');
    clock.advance(30_000);
    await drain(id);
    expect(isAsked).toBe(true);
    expect((await post(`/events/${id}/resolve`, { effect: 'reply', outcome: 'delivered' })).status).toBe(200);
    expect((await audit()).at(-1)).toMatchObject({
      ...{ action: 'event.resolved', actor: 'user:ada', subject: id },
      data: { effect: 'reply', outcome: 'delivered' },
    });
  });
});

describe('what operators read', () => {
  const readsOf = async () =>
    (await audit())
      .filter(({ action }) => action === 'content.read')
      .map(({ actor, subject, data }) => [actor, subject, data]);

  test('of what people and agents wrote is in the audit, once an hour for each of them and each event or list', async () => {
    const agent: Agent = { name: 'test', run: async ({ event }) => ({ kind: 'reply', text: `private ${event.text}` }) };
    await openWith({ agent, review: { replies: 'always' } });
    const id = await write('one');
    for (const path of ['/events', '/reviews', `/events/${id}`, `/reviews/${id}`]) {
      for (const sub of ['ada', 'bob']) {
        // Together, so that none is answered before the entry is there.
        const answers = await Promise.all([1, 2, 3].map(() => call(path, { sub })));
        for (const { text } of answers) expect(text).toContain('private one');
      }
    }
    const subjects = ['events', 'reviews', id];
    const expected = subjects.flatMap((subject) => ['user:ada', 'user:bob'].map((actor) => [actor, subject, {}]));
    expect(await readsOf()).toEqual(expected);
  });

  test('is not, where it was only who asked what', async () => {
    await openWith({ agent: { name: 'test', run: async () => ({ kind: 'silent' }) } });
    const id = await write('one');
    for (const path of ['/events', '/reviews', `/events/${id}`]) expect((await call(path)).status).toBe(200);
    expect((await call('/events/ev_00000000000000000000000000')).status).toBe(404);
    expect(await readsOf()).toEqual([]);
  });
});

describe('GET /audit', () => {
  test('gives a page of lines, and nothing after the last', async () => {
    await openWith();
    for (const text of ['a', 'b', 'c']) await write(text);
    const page = async (query: string) => {
      const { text, type } = await call(`/audit${query}`);
      expect(type).toBe('application/x-ndjson');
      return text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).seq);
    };
    expect(await page('')).toEqual([1, 2, 3]);
    expect(await page('?limit=2')).toEqual([1, 2]);
    expect(await page('?from=3&limit=2')).toEqual([3]);
    expect(await page('?from=4')).toEqual([]);
    for (const query of ['?from=0', '?limit=1001', '?limit=x', '?from=-1', '?more=1', '?from=1e3']) {
      expect((await call(`/audit${query}`)).status).toBe(400);
    }
  });

  test('shows a tenant its own chain, to who has the scope; who has not is in it, once a minute', async () => {
    await openWith();
    await write('mine');
    expect(await audit({ tenant: 'globex' })).toEqual([]);
    for (let n = 0; n < 3; n += 1)
      expect((await call('/audit', { scope: 'events:read', sub: 'eve' })).status).toBe(403);
    expect((await call('/audit', { scope: 'audit:readx' })).status).toBe(403);
    const entries = await audit();
    expect(entries.map(({ action, actor, subject }) => [action, actor, subject]).slice(1)).toEqual([
      ['access.refused', 'user:eve', 'audit:read'],
      ['access.refused', 'user:ada', 'audit:read'],
    ]);
  });

  test('knows nothing of deliveries that proved nothing, and of events nobody answers', async () => {
    await openWith({ agent: { name: 'test', run: async () => ({ kind: 'silent' }) } });
    const at = clock.now();
    const { status } = await postSlack(gate.app, message({ text: 'x', at }), { at, tamper: 'wrong-key' });
    expect(status).toBe(401);
    expect((await gate.app.request(new Request('http://gate.test/audit'))).status).toBe(401);
    expect(await audit()).toEqual([]);
  });
});

describe('while the audit cannot be written', () => {
  /** Fails so often before it writes, or after it has written. */
  async function failing(times: { before: number; after: number }): Promise<Store> {
    clock = createFakeClock();
    const path = `${await testFolder()}/store.db`;
    const options = { path, limits: defaultLimits, idCheck: 'test', logger: silentLogger, clock: clock.now };
    const store = await openEmbeddedStore(options);
    const away = () => new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
    const append: Store['audit']['append'] = async (...args) => {
      if (times.before-- > 0) throw away();
      const head = await store.audit.append(...args);
      if (times.after-- > 0) throw away();
      return head;
    };
    return { ...store, audit: { ...store.audit, append } };
  }

  test.each([
    ['approve', 'review.approved', 'queued'],
    ['edit', 'review.edited', 'review'],
    ['reject', 'review.rejected', 'done'],
  ])('a decision is not made: %s', async (verb, action, state) => {
    const times = { before: 0, after: 0 };
    const store = await failing(times);
    gate = await openGate({ clock: clock.now, store, review: { replies: 'always' } });
    stops.push(() => gate.stop());
    const id = await write('hi');
    const before = await store.events.get('default', id);
    const body = { digest: before?.review?.digest, ...(verb === 'edit' ? { text: 'other words' } : {}) };
    times.before = 1;
    expect((await post(`/reviews/${id}/${verb}`, body)).status).toBe(503);
    expect(await store.events.get('default', id)).toEqual(before);
    times.after = 1;
    expect((await post(`/reviews/${id}/${verb}`, body)).status).toBe(503);
    expect(await store.events.get('default', id)).toEqual(before);
    expect((await post(`/reviews/${id}/${verb}`, body)).status).toBe(200);
    expect((await store.events.get('default', id))?.state).toBe(state);
    expect(actionsOf(await audit()).filter((each) => each === action)).toHaveLength(2);
  });

  /** A gate with a parked event and one whose effect nobody knows of, and a store that fails as told. */
  async function openAway() {
    const times = { before: 0, after: 0 };
    const replier: Replier = {
      async send({ text }, { begin }) {
        await begin();
        return { kind: text.includes('lost') ? 'ambiguous' : 'delivered' };
      },
      find: async () => 'unknown',
    };
    const agent: Agent = {
      name: 'test',
      run: async ({ event }) => {
        if (event.text === 'fail') throw new SallyportError('ERR_STEPS_EXHAUSTED', 'no');
        return { kind: 'reply', text: event.text };
      },
    };
    gate = await openGate({ clock: clock.now, store: await failing(times), agent, replier });
    stops.push(() => gate.stop());
    const ids = { parked: await write('fail'), lost: await write('lost'), done: await write('fine') };
    clock.advance(30_000);
    await drain(ids.lost);
    const { eventId = '' } = await postSlack(gate.app, message({ text: 'wait', at: clock.now() }), { at: clock.now() });
    return { times, ...ids, queued: eventId };
  }

  async function everythingBut(audited: Gate) {
    const { events, ledger, records } = audited.store;
    return {
      events: await events.list('default', { limit: 200 }),
      killed: await ledger.killed(),
      budgets: await records.list('default', 'budgets'),
      policy: await records.list('default', 'guardrails'),
    };
  }

  type Ids = Awaited<ReturnType<typeof openAway>>;
  test.each<[string, (ids: Ids) => readonly [path: string, method: string, body?: object]]>([
    ['event.redriven', ({ parked }) => [`/events/${parked}/redrive`, 'POST']],
    ['event.parked', ({ queued }) => [`/events/${queued}/park`, 'POST']],
    [
      'event.resolved',
      ({ lost }) => [`/events/${lost}/resolve`, 'POST', { effect: 'reply', outcome: 'not_delivered' }],
    ],
    ['budget.kill', () => ['/budgets/kill', 'POST', { on: true }]],
    ['budget.changed', () => ['/budgets/user', 'PUT', { runs: { hour: 3 } }]],
    ['guardrail.invalidated', () => ['/guardrails/invalidate', 'POST']],
    ['content.read', ({ done }) => [`/events/${done}`, 'GET']],
    ['content.read', () => ['/events', 'GET']],
  ])('nothing is done or shown that would be a %s', async (action, requestOf) => {
    const ids = await openAway();
    const [path, method, body] = requestOf(ids);
    const ask = () => call(path, { method, ...(body === undefined ? {} : { body }) });
    const before = await everythingBut(gate);
    ids.times.before = 1;
    expect((await ask()).status).toBe(503);
    ids.times.after = 1;
    const refused = await ask();
    expect(refused.status).toBe(503);
    expect(refused.text).not.toContain('fine');
    expect(await everythingBut(gate)).toEqual(before);
    expect((await ask()).status).toBe(200);
    if (method !== 'GET') expect(await everythingBut(gate)).not.toEqual(before);
    const entries = (await audit()).filter((entry) => entry.action === action && entry.actor === 'user:ada');
    expect(entries).toHaveLength(2);
  });

  test('what an operator did to an event that something else overtook is taken back', async () => {
    const ids = await openAway();
    const { store } = gate;
    const park = store.events.park.bind(store.events);
    store.events.park = async (tenant, id) => {
      await park(tenant, id);
      return park(tenant, id);
    };
    expect((await post(`/events/${ids.queued}/park`)).status).toBe(409);
    expect((await audit()).slice(-2)).toMatchObject([
      { action: 'event.parked', actor: 'user:ada', subject: ids.queued },
      { action: 'event.refused', actor: 'user:ada', subject: ids.queued, data: { code: 'ERR_WRONG_STATE' } },
    ]);
  });

  test('a decision that another one overtook is taken back', async () => {
    const store = await failing({ before: 0, after: 0 });
    const decide: Store['reviews']['decide'] = async (tenant, id, digest, action) => {
      await store.reviews.decide(tenant, id, digest, { kind: 'reject', by: 'bob', at: clock.now() });
      return store.reviews.decide(tenant, id, digest, action);
    };
    const overtaken = { ...store, reviews: { ...store.reviews, decide } };
    gate = await openGate({ clock: clock.now, store: overtaken, review: { replies: 'always' } });
    stops.push(() => gate.stop());
    const id = await write('hi');
    const digest = (await store.events.get('default', id))?.review?.digest ?? '';
    expect((await post(`/reviews/${id}/approve`, { digest })).status).toBe(409);
    expect((await audit()).slice(-2)).toMatchObject([
      { action: 'review.approved', actor: 'user:ada', subject: id },
      { action: 'review.refused', actor: 'user:ada', subject: id, data: { code: 'ERR_WRONG_STATE', seen: digest } },
    ]);
  });

  test.each([
    ['before', { before: 2, after: 0 }, 1],
    ['after', { before: 0, after: 1 }, 2],
  ])(
    'a run does not count as ended (%s the write); it is tried again, and its reply was posted once',
    async (_, times, entries) => {
      const told: string[] = [];
      const replier: Replier = {
        send: async ({ text }, { begin }) => {
          await begin();
          told.push(text);
          return { kind: 'delivered' };
        },
        find: async () => 'absent',
      };
      const store = await failing(times);
      gate = await openGate({ clock: clock.now, store, replier });
      stops.push(() => gate.stop());
      const at = clock.now();
      const { eventId } = await postSlack(gate.app, message({ text: 'hi', at }), { at });
      const id = eventId ?? '';
      for (let tries = times.before + times.after; tries > 0; tries -= 1) {
        await expect(drain(id)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
        expect((await store.events.get('default', id))?.state).toBe('running');
        clock.advance(defaultLimits.leaseMs + 1);
      }
      await drain(id);
      expect(await store.events.get('default', id)).toMatchObject({ state: 'done' });
      expect(told).toEqual(['echo: hi']);
      expect(actionsOf(await audit())).toEqual(Array(entries).fill('run.finished'));
    },
  );
});
