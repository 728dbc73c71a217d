import { expect, test } from 'vitest';
import type { Read, ReadContext } from '../../../src/channels/channel.ts';
import { readMail } from '../../../src/channels/graph/read/mail.ts';
import type { EventRecord, InboundEvent } from '../../../src/core/event.ts';
import { noSpan } from '../../../src/core/tracer.ts';
import type { Scrub } from '../../../src/scrub/scrub.ts';
import { prepareTask } from '../../../src/workers/attempt/ask-agent.ts';
import { scrub } from '../scrub/support.ts';

const event = {
  id: 'ev_01HZZZZZZZZZZZZZZZZZZZZZZZ',
  text: '',
  author: { id: 'unknown', kind: 'unknown' },
  conversation: { name: 'mailbox', key: 'k' },
  destination: { kind: 'mail', mailbox: 'agent@example.com', message: 'AAMkAGI2=' },
  payload: {},
};
const record = { event, eligibleAt: 0 } as unknown as EventRecord;

/** Prepares what a reader brings; `given` counts the characters of each text that the scrubber was handed. */
async function prepared(read: Read) {
  const given: number[] = [];
  const counting: Scrub = (value, options) => {
    given.push(JSON.stringify(value).length);
    return scrub(value, options);
  };
  const deps = { reader: { read: async () => read }, scrub: counting };
  const task = await prepareTask(
    record,
    new AbortController().signal,
    deps as unknown as Parameters<typeof prepareTask>[2],
  );
  if (task.kind !== 'task') throw new Error('there is no task');
  return { ...task.event, given };
}

const mail = (content: string, more: Record<string, unknown> = {}): Read => {
  const from = { emailAddress: { address: 'ada@example.org' } };
  const value = { id: 'AAMkAGI2=', body: { contentType: 'text', content }, from, ...more };
  const message = readMail(value as never, { addresses: new Set(), sentItemsId: null });
  if (message === null) throw new Error('this is no mail');
  return { kind: 'task', content: message.content };
};

test('a mail of megabytes is cut, with a note, before it is scrubbed', async () => {
  const { text, payload, given } = await prepared(mail('pw: '.repeat(725_000), { subject: 'Long' }));
  expect(Math.max(...given)).toBeLessThan(1.2 * 1024 * 1024);
  expect(text.length).toBeLessThan(257 * 1024);
  expect(text).toMatch(/^Long\n\npw: /);
  expect(text).toMatch(/\n\[cut: the whole text has 29000\d\d characters\]$/);
  expect(JSON.stringify(payload)).toContain('[cut: the whole text has 2900000 characters]');
});

test('what is beyond the cut reaches nobody, and no part of a secret is left at it', async () => {
  const secret = ['gh', 'p_', 'aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5'].join('');
  const limit = 256 * 1024;
  for (const before of [limit - 20, limit - 4, limit, limit + 40]) {
    const filler = 'word '.repeat(before / 5 + 1).slice(0, before - 1);
    const { text, payload } = await prepared(mail(`${filler} ${secret} ${'and more '.repeat(1_000)}`));
    expect(text + JSON.stringify(payload)).not.toContain(secret.slice(0, 8));
  }
});

test('a record of very many fields is cut as a whole, and its ids stay', async () => {
  const fields = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`field${n}`, 'x'.repeat(200)]));
  const { author, payload, given } = await prepared(mail('hello', fields));
  expect(Math.max(...given)).toBeLessThan(1.5 * 1024 * 1024);
  expect(author).toEqual({ id: 'ada@example.org', kind: 'user' });
  expect((payload as Record<string, unknown>)['[cut]']).toBe(true);
});

test('what a reader finds goes on with the trace of the run that found it', async () => {
  const accepted: InboundEvent[][] = [];
  const deps = {
    reader: {
      read: async (_: InboundEvent, { accept }: ReadContext) => {
        await accept([]);
        return { kind: 'handled' };
      },
    },
    scrub,
    inbox: {
      accept: async (events: InboundEvent[]) => {
        accepted.push(events);
        return [];
      },
    },
    prepare: () => [event, event],
    span: { ...noSpan, traceparent: 'of the run' },
  };
  const signal = new AbortController().signal;
  await prepareTask(record, signal, deps as unknown as Parameters<typeof prepareTask>[2]);
  await prepareTask(record, signal, { ...deps, span: noSpan } as unknown as Parameters<typeof prepareTask>[2]);
  const traced = { ...event, traceparent: 'of the run' };
  expect(accepted).toEqual([
    [traced, traced],
    [event, event],
  ]);
});

test('ids of the event stay where they only repeat a value that was found', async () => {
  const { author, payload, text } = await prepared(
    mail('password: ada@example.org and password=AAMkAGI2=', { note: 'from ada@example.org' }),
  );
  expect(text).not.toContain('ada@example.org');
  expect(author.id).toBe('ada@example.org');
  expect(payload).toMatchObject({ id: 'AAMkAGI2=', from: { emailAddress: { address: 'ada@example.org' } } });
  expect(JSON.stringify(payload)).not.toContain('from ada@example.org');
});
