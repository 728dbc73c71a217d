import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HttpAgentReaction, signCallback } from '../../src/testing/agents/http-agent-server.ts';
import { AGENT_SECRET, type HttpGate, type HttpGateOptions, openHttpGate } from '../support/http-agent.ts';

let http: HttpGate;
const open = async (options: HttpGateOptions = {}): Promise<void> => {
  http = await openHttpGate({ react: () => ({ status: 202 }), ...options });
};
beforeEach(() => open());
afterEach(() => http.stop());

const accepted = { status: 200, body: '{"outcome":"accepted"}' };
const runOf = (): string => http.agent.requests.at(-1)?.run ?? '';
/** An event whose agent said 202. */
async function waiting(text = 'hello'): Promise<string> {
  const id = await http.say(text);
  expect(await http.drain(id)).toMatchObject({ state: 'waiting', attempts: 0, runs: [{ outcome: 'waiting' }] });
  return id;
}
/** Posts a callback of one's own making. */
async function post(headers: Record<string, string>, body: string | Uint8Array, run = runOf()) {
  const content = typeof body === 'string' ? body : new Uint8Array(body);
  const response = await http.gate.app.request(`http://gate.test/callbacks/${run}`, {
    method: 'POST',
    headers,
    body: content,
  });
  return response.status;
}
const sign = (id: string, timestamp: string, body: Uint8Array | string, secret = AGENT_SECRET): string => {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')}`;
};
const seconds = (): string => String(Math.floor(http.clock.now() / 1000));

describe('a callback', () => {
  test('README example: the reply that was called back is sent, once', async () => {
    const id = await waiting();
    expect(await http.callBack({ answer: { reply: { text: 'here it is' } } })).toEqual(accepted);
    expect(await http.drain(id)).toMatchObject({ state: 'done', runs: [{}, { outcome: 'replied' }] });
    expect(http.slack.posts).toMatchObject([{ text: 'here it is' }]);
    expect(http.agent.requests).toHaveLength(1);
  });

  test('may come before the answer to the request has been read', async () => {
    await http.stop();
    await open({
      async react() {
        expect(await http.callBack({ answer: { reply: { text: 'fast' } } })).toEqual(accepted);
        return { status: 202 };
      },
    });
    expect(await http.drain(await http.say('hello'))).toMatchObject({ state: 'done' });
    expect(http.slack.posts).toMatchObject([{ text: 'fast' }]);
  });

  test('counts even when the answer to the request was lost', async () => {
    await http.stop();
    await open({
      async react(): Promise<HttpAgentReaction> {
        await http.callBack({ answer: { reply: { text: 'said' } } });
        return 'drop';
      },
    });
    const id = await http.say('hello');
    await http.drain(id);
    http.clock.advance(20_000);
    expect(await http.drain(id)).toMatchObject({ state: 'done' });
    expect(http.agent.requests).toHaveLength(1);
    expect(http.slack.posts).toMatchObject([{ text: 'said' }]);
  });

  test('may end in silence, and may ask for a person', async () => {
    const silent = await waiting('one');
    await http.callBack({ answer: {} });
    expect(await http.drain(silent)).toMatchObject({ state: 'done', runs: [{}, { outcome: 'silent' }] });
    const held = await waiting('two');
    await http.callBack({ answer: { reply: { text: 'may I?' }, review: true } });
    expect(await http.drain(held)).toMatchObject({ state: 'review' });
    expect(http.slack.posts).toEqual([]);
  });

  test('is scrubbed before it is stored', async () => {
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    const id = await waiting();
    await http.callBack({ answer: { reply: { text: `use ${token}` } } });
    const taken = await http.gate.store.lease.take({
      tenant: 'default',
      key: (await http.gate.store.events.get('default', id))?.event.conversation.key ?? '',
    });
    if (taken.kind !== 'head') throw new Error('expected a head');
    const journal = JSON.stringify([...(await http.gate.store.journal.replay(taken.lease))]);
    expect(journal).toContain('[secret:');
    expect(journal).not.toContain(token);
  });

  test('that does not come in time parks the event, and comes too late after that', async () => {
    const id = await waiting();
    http.clock.advance(599_000);
    expect(await http.drain(id)).toMatchObject({ state: 'waiting' });
    http.clock.advance(1_000);
    expect(await http.drain(id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_CALLBACK_OVERDUE' } });
    expect((await http.callBack()).status).toBe(409);
    expect(http.slack.posts).toEqual([]);
  });
});

describe('what is refused', () => {
  test.each(['stale', 'future', 'wrong-key', 'altered'] as const)('401: %s', async (tamper) => {
    await waiting();
    expect(await http.callBack({ tamper })).toEqual({ status: 401, body: '' });
    expect(await http.callBack()).toEqual(accepted);
  });

  test('401: unsigned, and every header misspelt in every way', async () => {
    await waiting();
    const { headers, body } = signCallback({ secret: AGENT_SECRET, run: runOf(), answer: {}, at: http.clock.now() });
    for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
      const { [name]: value = '', ...others } = headers;
      expect(await post(others, body)).toBe(401);
      // A signature may stand beside others, whoever made those.
      const twice = name === 'webhook-signature' ? [] : [`${value}, ${value}`];
      for (const spelling of ['', ' ', `${value}.0`, `0${value}`, `+${value}`, 'v1', 'v1,', 'x', ...twice]) {
        expect(await post({ ...others, [name]: spelling }, body), `${name}: ${spelling}`).toBe(401);
      }
    }
    expect(await post({}, '')).toBe(401);
    expect(await post({ ...headers }, body)).toBe(200);
  });

  test('401: signed with a time that is spelt in another way', async () => {
    await waiting();
    const body = JSON.stringify({ run: runOf() });
    for (const at of [`0${seconds()}`, `+${seconds()}`, `${seconds()}.0`, `${seconds()}e0`, 'now', '']) {
      const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': at };
      expect(await post({ ...headers, 'webhook-signature': sign('msg_1', at, body) }, body), at).toBe(401);
    }
  });

  test('401: bytes that only read like the signed ones, and an id that could be read as id and time', async () => {
    await waiting();
    const body = JSON.stringify({ run: runOf(), reply: { text: '\ufffd' } });
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': seconds() };
    const signature = sign('msg_1', seconds(), body);
    const broken = Buffer.from(body.replace('\ufffd', '@'));
    broken[broken.indexOf('@')] = 0xff;
    expect(await post({ ...headers, 'webhook-signature': signature }, broken)).toBe(401);
    const dotted = { 'webhook-id': 'msg.1', 'webhook-timestamp': seconds() };
    expect(await post({ ...dotted, 'webhook-signature': sign('msg.1', seconds(), body) }, body)).toBe(401);
    expect(await post({ ...headers, 'webhook-signature': signature }, body)).toBe(200);
  });

  test('401: signed for another run, whatever the path says', async () => {
    const one = await waiting('one');
    const other = runOf();
    await waiting('two');
    expect((await http.callBack({ run: other }, runOf())).status).toBe(401);
    expect((await http.callBack({}, other)).status).toBe(401);
    expect(await http.drain(one)).toMatchObject({ state: 'waiting' });
  });

  test('401: an agent that does not exist, and one that is not configured', async () => {
    await waiting();
    const run = runOf().replace('.http.', '.other.');
    expect((await http.callBack({ run })).status).toBe(401);
  });

  test.each([
    ['not JSON', '{'],
    ['without a run', '{}'],
    ['with a field nobody knows', '{"run":"RUN","replay":{"text":"hi"}}'],
    ['with a reply that is none', '{"run":"RUN","reply":"hi"}'],
    ['with figures that cannot be', '{"run":"RUN","usage":{"usdMicros":-1}}'],
  ])('400: authentic and %s', async (_, text) => {
    await waiting();
    const body = text.replace('RUN', runOf());
    const signature = sign('msg_1', seconds(), body);
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': seconds(), 'webhook-signature': signature };
    expect(await post(headers, body)).toBe(400);
  });

  test('404: a run nobody knows, another tenant’s, and a name that is none', async () => {
    await waiting();
    const run = runOf();
    expect((await http.callBack({ run: run.replace(/ev_.{26}/, `ev_${'0'.repeat(26)}`) })).status).toBe(404);
    expect((await http.callBack({ run: run.replace('default.', 'globex.') })).status).toBe(404);
    for (const name of ['x', '..%2F..', `${run}.1`, run.toLowerCase(), run.replace(/1$/, '01')]) {
      expect((await http.callBack({ run: name })).status, name).toBe(404);
    }
  });

  test('405, 413 and 503: the wrong method, a body over the limit, a process that stops', async () => {
    await waiting();
    const { status, headers } = await http.gate.app.request(`http://gate.test/callbacks/${runOf()}`);
    expect([status, headers.get('allow'), headers.get('x-request-id')]).toEqual([405, 'POST', 'request-1']);
    expect((await http.callBack({ answer: { reply: { text: 'x'.repeat(1024 * 1024) } } })).status).toBe(413);
    await http.stop();
    let isDraining = false;
    await open({ isDraining: () => isDraining });
    await waiting();
    isDraining = true;
    expect((await http.callBack()).status).toBe(503);
  });

  test('429: forgeries over their rate, while the agent is still let in', async () => {
    await http.stop();
    await open({ failuresPerMinute: 3 });
    await waiting();
    const statuses = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await http.callBack({ tamper: 'wrong-key' })).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    expect(await http.callBack()).toEqual(accepted);
  });
});

describe('the same again', () => {
  test('is answered the same, before and after the reply, and has no second effect', async () => {
    const id = await waiting();
    const again = { id: 'msg_1', at: http.clock.now() };
    expect(await http.callBack(again)).toEqual(accepted);
    expect(await http.callBack(again)).toEqual(accepted);
    // Sent anew by an agent that did not hear our answer: another id and time, the same words.
    expect(await http.callBack({ id: 'msg_2' })).toEqual(accepted);
    await http.drain(id);
    expect(await http.callBack(again)).toEqual(accepted);
    await http.drain(id);
    expect(http.slack.posts).toHaveLength(1);
  });

  test('with other words is refused: 409, and the first word stands', async () => {
    const id = await waiting();
    await http.callBack({ answer: { reply: { text: 'first' } } });
    expect((await http.callBack({ answer: { reply: { text: 'second' } } })).status).toBe(409);
    expect((await http.callBack({ answer: { reply: { text: 'first' }, review: true } })).status).toBe(409);
    await http.drain(id);
    expect((await http.callBack({ answer: { reply: { text: 'second' } } })).status).toBe(409);
    expect(http.slack.posts).toMatchObject([{ text: 'first' }]);
  });

  test('is refused after five minutes, though it was good once', async () => {
    await waiting();
    const at = http.clock.now();
    await http.callBack({ at });
    http.clock.advance(301_000);
    expect((await http.callBack({ at })).status).toBe(401);
  });

  test('is refused for a run that answered at once, was parked, or belongs to an earlier generation', async () => {
    const parked = await waiting();
    await http.gate.store.events.park('default', parked);
    expect((await http.callBack()).status).toBe(409);
    await http.gate.store.events.redrive('default', parked);
    expect((await http.callBack()).status).toBe(409);
    await http.drain(parked);
    expect(runOf()).toMatch(/\.2$/);
    expect(await http.callBack()).toEqual(accepted);
    await http.stop();
    await open({ react: () => ({ reply: { text: 'at once' } }) });
    await http.drain(await http.say('hello'));
    expect((await http.callBack()).status).toBe(409);
  });
});
