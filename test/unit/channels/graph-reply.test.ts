import { afterEach, describe, expect, it } from 'vitest';
import type { GraphFault } from '../../../src/testing/graph/server.ts';
import { type GraphGate, type GraphGateOptions, openGraphGate } from '../../support/graph-gate.ts';

/** A mail is answered in its thread, at most once, whatever becomes of the calls. */

const MAILBOX = 'users/agent@example.com/messages';

let gate: GraphGate;
afterEach(() => gate.stop());

/** `faults` befall the requests for sending, then those for looking, in order. */
const open = async (faults: { send?: GraphFault[]; find?: GraphFault[] } = {}, more: GraphGateOptions = {}) => {
  const { send = [], find = [] } = faults;
  const fault = ({ method, path }: { method: string; path: string }): GraphFault | undefined => {
    if (path.endsWith('/reply')) return send.shift();
    return method === 'GET' && path.endsWith('/messages') ? find.shift() : undefined;
  };
  gate = await openGraphGate({ keep: [MAILBOX], changeType: 'created', graph: { fault }, ...more });
  await gate.keep();
  gate.graph.mail('agent@example.com', { text: 'ping', subject: 'Re: this' });
  await settle();
};

const settle = async (): Promise<void> => {
  await gate.graph.pushes.deliver();
  await gate.work();
};

/** Lets back-off pass, so far that a reply on its way would have arrived. */
const later = async (ms: number): Promise<void> => {
  gate.clock.advance(ms);
  await settle();
};

const question = async () => {
  const [record] = await gate.events();
  return {
    state: record?.state,
    reply: record?.runs.findLast(({ reply }) => reply)?.reply?.state,
    code: record?.failure?.code,
  };
};

const posts = (): number => gate.graph.calls.filter(({ path }) => path.endsWith('/reply')).length;

describe('a reply', () => {
  it('is sent as text in the thread, carries its id, and asks not to be answered automatically', async () => {
    await open();
    expect(gate.graph.replies).toHaveLength(1);
    const [reply] = gate.graph.replies;
    const eventId = (await gate.events())[0]?.event.id;
    expect(reply).toMatchObject({ mailbox: 'agent@example.com', text: 'echo: Re: this\n\nping' });
    expect(reply?.message).toMatchObject({
      body: { contentType: 'text' },
      singleValueExtendedProperties: [{ value: eventId }],
      internetMessageHeaders: [{ name: 'x-sallyport-reply', value: eventId }, { name: 'x-auto-response-suppress' }],
    });
    expect(await question()).toMatchObject({ state: 'done', reply: 'delivered' });
  });

  it('is not answered itself when the mailbox tells of it', async () => {
    await open();
    await settle();
    expect((await gate.events()).map(({ state }) => state).sort()).toEqual(['done', 'ignored']);
    expect(gate.graph.replies).toHaveLength(1);
  });

  it('whose answer was lost is found in the mailbox and not sent again', async () => {
    await open({ send: [{ kind: 'drop', after: 'effect' }] });
    expect((await question()).state).toBe('waiting');
    await later(2_000);
    expect(await question()).toMatchObject({ state: 'done', reply: 'delivered' });
    expect(gate.graph.replies).toHaveLength(1);
    expect(posts()).toBe(1);
  });

  it('after a gateway gave up is looked for before anything else', async () => {
    await open({ send: [{ kind: 'late-status', status: 504 }] });
    await later(2_000);
    expect(await question()).toMatchObject({ state: 'done', reply: 'delivered' });
    expect(posts()).toBe(1);
  });

  it('that never arrived is sent again, but not before one on its way would be there', async () => {
    await open({ send: [{ kind: 'drop', after: 'nothing' }] });
    await later(2_000);
    expect(await question()).toMatchObject({ state: 'waiting' });
    // Until the intent is settled: start 2 s, call 10 s, late 5 s, Sent Items 30 s.
    await later(44_999);
    expect(posts()).toBe(1);
    await later(1);
    expect(await question()).toMatchObject({ state: 'done', reply: 'delivered' });
    expect(gate.graph.replies).toHaveLength(1);
  });

  it('that Graph throttles is sent when Graph says so, without looking for it', async () => {
    await open({ send: [{ kind: 'status', status: 429, retryAfter: 20 }] });
    await later(19_999);
    expect(posts()).toBe(1);
    await later(1);
    expect(await question()).toMatchObject({ state: 'done', reply: 'delivered' });
    expect(gate.graph.calls.filter(({ method, path }) => method === 'GET' && path.endsWith('/messages'))).toEqual([]);
  });

  it('that Graph forbids is parked', async () => {
    await open({ send: [{ kind: 'status', status: 403 }] });
    expect(await question()).toMatchObject({ state: 'parked', code: 'ERR_REPLY_REJECTED' });
    expect(posts()).toBe(1);
  });

  it('is not sent twice because nobody can be asked: the next attempt asks again', async () => {
    await open({ send: [{ kind: 'drop', after: 'effect' }], find: [{ kind: 'status', status: 503 }] });
    await later(2_000);
    expect((await question()).state).toBe('waiting');
    await later(5_000);
    expect(await question()).toMatchObject({ state: 'done', reply: 'delivered' });
    expect(posts()).toBe(1);
  });

  it('that lies there as a draft is for a person to decide', async () => {
    await open({ send: [{ kind: 'drop', after: 'effect' }] });
    const sent = gate.graph.find((object) => 'singleValueExtendedProperties' in object);
    Object.assign(sent ?? {}, { isDraft: true });
    await later(2_000);
    expect(await question()).toMatchObject({ state: 'parked', code: 'ERR_AMBIGUOUS_EFFECT' });
    expect(posts()).toBe(1);
  });

  it('to a chat is refused, because an app may not post there', async () => {
    const chat = '19:abc@thread.v2';
    gate = await openGraphGate({ keep: [`chats/${chat}/messages`] });
    await gate.keep();
    gate.graph.chat(chat, { text: 'hello' });
    await settle();
    expect(await question()).toMatchObject({ state: 'parked', code: 'ERR_REPLY_REJECTED' });
    expect(gate.graph.calls.filter(({ method, path }) => method === 'POST' && path.startsWith('/chats'))).toEqual([]);
  });
});
