import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, test } from 'vitest';
import type { BudgetLimits } from '../../src/core/budget.ts';
import type { HttpAgentReaction } from '../../src/testing/agents/http-agent-server.ts';
import { wholeChain } from '../support/audit.ts';
import { AGENT_SECRET, type HttpGate, type HttpGateOptions, keysOf, openHttpGate } from '../support/http-agent.ts';

let http: HttpGate;
afterEach(() => http.stop());

const open = async (options: HttpGateOptions = {}): Promise<HttpGate> => {
  http = await openHttpGate(options);
  return http;
};
/** Somebody writes and a worker runs it once. */
const ask = async (text = 'hello') => http.drain(await http.say(text));
const responding = (reaction: HttpAgentReaction): HttpGateOptions => ({ react: () => reaction });
const status = (code: number, headers = {}): HttpGateOptions => responding({ status: code, headers });

describe('a request', () => {
  test('README example: a signed Slack message is answered by the agent, once, where it was asked', async () => {
    await open();
    const record = await ask('hello');
    expect(record).toMatchObject({ state: 'done', runs: [{ outcome: 'replied', reply: { state: 'delivered' } }] });
    expect(http.slack.posts).toMatchObject([{ text: 'http: hello', threadTs: expect.any(String) }]);
    expect(http.agent.refused).toBe(0);
  });

  test('holds what docs/http-agent.md promises, and neither destination nor identity nor capabilities', async () => {
    await open();
    const { event } = await ask('hello');
    const [request] = http.agent.requests;
    const run = `default.http.${event.id}.1`;
    expect(JSON.parse(request?.body ?? '')).toEqual({
      v: 1,
      type: 'event.accepted',
      timestamp: new Date(event.receivedAt).toISOString(),
      run,
      callbackUrl: `https://gate.example/callbacks/${run}`,
      event: {
        id: event.id,
        tenant: 'default',
        channel: 'slack',
        kind: 'message',
        conversation: event.conversation,
        mentioned: false,
        author: { id: 'U0SENDER', kind: 'user' },
        text: 'hello',
        payload: event.payload,
      },
    });
    expect(request?.headers).toMatchObject({
      'webhook-id': `${event.id}-1`,
      'content-type': 'application/json',
      'user-agent': 'sallyport',
    });
  });

  test('shows the agent no secret that somebody wrote', async () => {
    await open();
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    await ask(`my token is ${token}`);
    expect(http.agent.requests[0]?.body).toContain('[secret:');
    expect(http.agent.requests[0]?.body).not.toContain(token);
  });

  test('carries a signature of every secret, so that the agent may change over', async () => {
    const next = 'whsec_bmV4dC1zZWNyZXQtb2YtdGhlLWFnZW50LTI0LWJ5dGVz';
    await open({ settings: { keys: keysOf(next, AGENT_SECRET) } });
    await ask();
    const [request] = http.agent.requests;
    if (request === undefined) throw new Error('expected a request');
    for (const secret of [next, AGENT_SECRET]) {
      expect(new Webhook(secret).verify(request.body, request.headers)).toMatchObject({ v: 1 });
    }
  });

  test('goes nowhere else: a redirect is not followed, whether to a private address or to a public one', async () => {
    let visits = 0;
    const elsewhere = createServer((_, response) => {
      visits += 1;
      response.end('{"reply":{"text":"from elsewhere"}}');
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const { port } = elsewhere.address() as AddressInfo;
    for (const code of [301, 302, 307, 308]) {
      await open(status(code, { location: `http://127.0.0.1:${port}/` }));
      expect(await ask()).toMatchObject({ state: 'parked', failure: { code: 'ERR_AGENT_REJECTED' } });
      await http.stop();
    }
    // The host of the configuration under another port is another host.
    await open({ settings: { url: `http://127.0.0.1:${port}/` } });
    expect(await ask()).toMatchObject({ state: 'parked', failure: { code: 'ERR_OUTBOUND_BLOCKED' } });
    expect(visits).toBe(0);
    elsewhere.close();
  });
});

describe('an answer', () => {
  test.each<[string, HttpAgentReaction]>([
    ['204', { status: 204 }],
    ['200 without a reply', { usage: { modelCalls: 1 } }],
    ['200 with an empty one', { reply: { text: ' \n' } }],
  ])('of %s is silence', async (_, reaction) => {
    await open(responding(reaction));
    expect(await ask()).toMatchObject({ state: 'done', runs: [{ outcome: 'silent' }] });
    expect(http.slack.posts).toEqual([]);
  });

  test('is scrubbed before it is stored or sent', async () => {
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    await open(responding({ reply: { text: `use ${token}` } }));
    http.slack.failNext({ kind: 'status', status: 503 });
    const id = await http.say('hello');
    const { event } = await http.drain(id);
    http.clock.advance(20_000);
    const taken = await http.gate.store.lease.take({ tenant: 'default', key: event.conversation.key });
    if (taken.kind !== 'head') throw new Error('expected a head');
    const journal = [...(await http.gate.store.journal.replay(taken.lease))];
    expect(JSON.stringify(journal)).not.toContain(token);
    http.clock.advance(60_000);
    const record = await http.drain(id);
    expect(record.runs.at(-1)?.reply?.text).toMatch(/^use \[secret:/);
    expect(http.slack.posts[0]?.text).toContain('[secret:');
    expect(JSON.stringify([record, http.slack.posts])).not.toContain(token);
    const leaks = (await wholeChain(http.gate.store)).filter(({ action }) => action === 'secret.leak_blocked');
    expect(leaks).toMatchObject([{ subject: id, actor: 'agent:http', data: { rules: ['github-token'] } }]);
  });

  test('may ask for a person to look at it first', async () => {
    await open(responding({ reply: { text: 'may I?' }, review: true }));
    expect(await ask()).toMatchObject({ state: 'review' });
    expect(http.slack.posts).toEqual([]);
  });

  test.each<[string, HttpAgentReaction]>([
    ['a 400', { status: 400 }],
    ['a 401', { status: 401 }],
    ['a 404', { status: 404 }],
    ['a 200 that is not JSON', { status: 200, body: 'ok' }],
    ['a 200 with a misspelt field', { status: 200, body: '{"replay":{"text":"hi"}}' }],
    ['a 200 whose reply is no object', { status: 200, body: '{"reply":"hi"}' }],
    ['a body over the limit', { status: 200, body: `{"reply":{"text":"${'x'.repeat(3 * 1024 * 1024)}"}}` }],
  ])('of %s parks the event for somebody to look', async (_, reaction) => {
    await open(responding(reaction));
    expect(await ask()).toMatchObject({ state: 'parked', failure: { code: 'ERR_AGENT_REJECTED' } });
    expect(http.agent.requests).toHaveLength(1);
  });

  test.each<[string, HttpAgentReaction]>([
    ['a 408', { status: 408 }],
    ['a 409', { status: 409 }],
    ['a 429', { status: 429 }],
    ['a 500', { status: 500 }],
    ['a 503', { status: 503 }],
    ['a connection that ends', 'drop'],
  ])('of %s is asked for again under the same id, and replied to once', async (_, first) => {
    const reactions: HttpAgentReaction[] = [first, { reply: { text: 'now' } }];
    await open({ react: () => reactions.shift() ?? 'drop' });
    const id = await http.say('hello');
    expect(await http.drain(id)).toMatchObject({ state: 'waiting', runs: [{ code: 'ERR_AGENT_FAILED' }] });
    http.clock.advance(20_000);
    expect(await http.drain(id)).toMatchObject({ state: 'done', runs: [{ outcome: 'retry' }, { outcome: 'replied' }] });
    const [one, two] = http.agent.requests;
    expect(two?.id).toBe(one?.id);
    expect(two?.body).toBe(one?.body);
    expect(two?.headers['webhook-timestamp']).not.toBe(one?.headers['webhook-timestamp']);
    expect(http.slack.posts).toHaveLength(1);
  });

  test('that never comes ends with the deadline and is asked for again', async () => {
    await open({ react: () => new Promise(() => {}), settings: { timeoutMs: 200 } });
    expect(await ask()).toMatchObject({ state: 'waiting', runs: [{ code: 'ERR_AGENT_TIMEOUT' }] });
  });

  test('with Retry-After is not asked for before', async () => {
    await open(status(503, { 'retry-after': '30' }));
    const id = await http.say('hello');
    await http.drain(id);
    http.clock.advance(29_000);
    await http.drain(id);
    expect(http.agent.requests).toHaveLength(1);
    http.clock.advance(1_000);
    await http.drain(id);
    expect(http.agent.requests).toHaveLength(2);
  });

  test('with a longer Retry-After than any back-off parks the event', async () => {
    await open(status(429, { 'retry-after': new Date(Date.now() + 600_000).toUTCString() }));
    expect(await ask()).toMatchObject({ state: 'parked', failure: { code: 'ERR_BACKOFF_EXHAUSTED' } });
  });

  test('is not asked for again when it is known and only the reply failed', async () => {
    await open();
    http.slack.failNext({ kind: 'status', status: 503 });
    const id = await http.say('hello');
    expect(await http.drain(id)).toMatchObject({ state: 'waiting' });
    http.clock.advance(20_000);
    expect(await http.drain(id)).toMatchObject({ state: 'done' });
    expect(http.agent.requests).toHaveLength(1);
    expect(http.slack.posts).toHaveLength(1);
  });

  test('is not asked for again when its worker failed before it could reply', async () => {
    let runs = 0;
    await open({
      around: (agent) => ({
        ...agent,
        async run(task, context) {
          const outcome = await agent.run(task, context);
          runs += 1;
          if (runs === 1) throw new Error('the worker fails here');
          return outcome;
        },
      }),
    });
    const id = await http.say('hello');
    expect(await http.drain(id)).toMatchObject({ state: 'waiting' });
    http.clock.advance(20_000);
    expect(await http.drain(id)).toMatchObject({ state: 'done', runs: [{}, { reply: { text: 'http: hello' } }] });
    expect(http.agent.requests).toHaveLength(1);
  });

  test('of a redriven event is asked for anew, as another request', async () => {
    const reactions: HttpAgentReaction[] = [{ status: 400 }, { reply: { text: 'now' } }];
    await open({ react: () => reactions.shift() ?? 'drop' });
    const { event } = await ask();
    await http.gate.store.events.redrive('default', event.id);
    expect(await http.drain(event.id)).toMatchObject({ state: 'done', generation: 2 });
    expect(http.agent.requests.map(({ id }) => id)).toEqual([`${event.id}-1`, `${event.id}-2`]);
  });
});

describe('the budget', () => {
  const limits: BudgetLimits = { tenant: { usdMicros: { day: 120_000 }, tokens: { day: 'unlimited' } } };
  const spent = async (): Promise<number | undefined> => {
    const account = {
      scope: 'tenant',
      account: 'default',
      resource: 'usdMicros',
      window: 'day',
      max: 120_000,
    } as const;
    const [use] = await http.gate.store.ledger.usage([account]);
    expect(use?.reserved).toBe(0);
    return use?.spent;
  };
  const everything = { usdMicros: 50_000, inputTokens: 1_000, outputTokens: 500, modelCalls: 4, toolCalls: 2 };

  test('is charged in full when nothing is reported', async () => {
    await open({ budget: { limits } });
    expect((await ask()).runs[0]?.usage).toEqual(everything);
    expect(await spent()).toBe(50_000);
  });

  test('is charged what was reported when that is less, and in full for what is left out', async () => {
    await open({ ...responding({ usage: { usdMicros: 1_234, modelCalls: 1, inputTokens: 0 } }), budget: { limits } });
    const { usage } = (await ask()).runs[0] ?? {};
    expect(usage).toEqual({ ...everything, usdMicros: 1_234, modelCalls: 1, inputTokens: 0 });
    expect(await spent()).toBe(1_234);
  });

  test('stops a run that used more than was reserved: it is charged, and its reply is not sent', async () => {
    const reply = { text: 'expensive' };
    await open({ ...responding({ reply, usage: { usdMicros: 50_001 } }), budget: { limits } });
    expect(await ask()).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_OVERRUN' } });
    expect(await spent()).toBe(50_001);
    expect(http.slack.posts).toEqual([]);
  });

  test('is asked before the agent is: without room for a reservation there is no request', async () => {
    await open({ budget: { limits } });
    await ask('one');
    await ask('two');
    expect(await ask('three')).toMatchObject({ state: 'parked', failure: { code: 'ERR_BUDGET_EXHAUSTED' } });
    expect(http.agent.requests).toHaveLength(2);
    expect(await spent()).toBe(100_000);
  });

  test.each<[string, HttpAgentReaction, number]>([
    ['a 500, in full', { status: 500 }, 50_000],
    ['an answer that is none, in full', { status: 200, body: '{' }, 50_000],
    ['a connection that ends, in full', 'drop', 50_000],
    ['a 502, in full', { status: 502 }, 50_000],
    ['a 503, nothing', { status: 503 }, 0],
    ['a 429, nothing', { status: 429 }, 0],
    ['a 404, nothing', { status: 404 }, 0],
  ])('is charged for %s', async (_, reaction, micros) => {
    await open({ ...responding(reaction), budget: { limits } });
    await ask();
    expect(await spent()).toBe(micros);
  });

  test('is charged nothing for an agent that is not there', async () => {
    await open({ budget: { limits } });
    await http.agent.stop();
    expect(await ask()).toMatchObject({ state: 'waiting', runs: [{ code: 'ERR_AGENT_FAILED' }] });
    expect(await spent()).toBe(0);
  });

  test('lasts through an outage of the agent', async () => {
    let isDown = true;
    await open({ react: () => (isDown ? { status: 503 } : { reply: { text: 'back' } }), budget: { limits } });
    for (let n = 0; n < 5; n += 1) expect(await ask(`message ${n}`)).toMatchObject({ state: 'waiting' });
    expect(await spent()).toBe(0);
    isDown = false;
    expect(await ask('again')).toMatchObject({ state: 'done' });
    expect(await spent()).toBe(50_000);
  });

  test('ends a request under way when the kill switch is thrown', async () => {
    let isAsked = (): void => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const react = async (): Promise<HttpAgentReaction> => {
      isAsked();
      return new Promise(() => {});
    };
    await open({ react, settings: { timeoutMs: 60_000 }, budget: { limits, killEveryMs: 20 } });
    const id = await http.say('hello');
    const ending = http.drain(id);
    await asked;
    await http.gate.store.ledger.kill('default', true);
    expect(await ending).toMatchObject({ state: 'parked', failure: { code: 'ERR_KILLED' } });
    expect(await spent()).toBe(50_000);
  });

  test('stays reserved while a callback is awaited, and is charged by what that reports', async () => {
    await open({ ...status(202), budget: { limits } });
    const { event } = await ask();
    const account = {
      scope: 'tenant',
      account: 'default',
      resource: 'usdMicros',
      window: 'day',
      max: 120_000,
    } as const;
    expect(await http.gate.store.ledger.usage([account])).toMatchObject([{ reserved: 50_000, spent: 0 }]);
    await http.callBack({ answer: { reply: { text: 'done' }, usage: { usdMicros: 7 } } });
    expect(await http.drain(event.id)).toMatchObject({ state: 'done', runs: [{}, { usage: { usdMicros: 7 } }] });
    expect(await spent()).toBe(7);
  });

  test('is charged in full when the callback does not come', async () => {
    await open({ ...status(202), budget: { limits } });
    const { event } = await ask();
    http.clock.advance(600_000);
    expect(await http.drain(event.id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_CALLBACK_OVERDUE' } });
    expect(await spent()).toBe(50_000);
  });
});
