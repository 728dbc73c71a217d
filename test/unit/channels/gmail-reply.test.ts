import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SendContext } from '../../../src/channels/channel.ts';
import { createGmailClient, noCredentials } from '../../../src/channels/gmail/api/client.ts';
import { composeReply } from '../../../src/channels/gmail/reply/compose.ts';
import { createGmailReplier } from '../../../src/channels/gmail/reply/reply.ts';
import type { MailOptions, StoredMail } from '../../../src/testing/gmail/mailbox.ts';
import { type GmailCall, parseRaw } from '../../../src/testing/gmail/routes.ts';
import {
  type GmailFault,
  type GmailServer,
  type SentMail,
  startGmailServer,
} from '../../../src/testing/gmail/server.ts';
import { createFakeClock } from '../../support/clock.ts';
import { MAILBOX, scrub } from '../../support/gmail.ts';
import { sendable } from '../../support/post-call.ts';

const clock = createFakeClock();
let server: GmailServer;
let faults: Partial<Record<GmailCall['method'], GmailFault>>;

beforeEach(async () => {
  faults = {};
  server = await startGmailServer({ clock: clock.now, fault: ({ method }) => faults[method] });
});
afterEach(() => server.stop());

const replier = () =>
  createGmailReplier({
    client: createGmailClient({ baseUrl: server.url, credentials: noCredentials, fetch, timeoutMs: 5_000 }),
    scrub,
  });

const contextOf = ({ id, threadId }: StoredMail, replyId = 'ev_0REPLY', timeoutMs = 5_000): SendContext =>
  sendable(
    {
      tenant: 'acme',
      eventId: replyId,
      destination: { mailbox: MAILBOX, messageId: id, threadId },
      sealed: {},
      replyId,
      signal: new AbortController().signal,
    },
    timeoutMs,
  );

const deliver = (options?: MailOptions): StoredMail => server.mailbox(MAILBOX).deliver(options);
const header = (sent: SentMail | undefined, name: string): string | undefined =>
  sent?.headers.find((one) => one.name === name)?.value;

describe('a reply', () => {
  test('goes to no address that is itself a secret; one in the name beside it changes nothing', async () => {
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    for (const headers of [
      { From: `<${token}@example.org>` },
      { From: 'ada@example.org', 'Reply-To': `Ada <${token}@example.org>` },
    ]) {
      const sending = replier().send({ text: 'hi' }, contextOf(deliver({ headers })));
      await expect(sending).rejects.toMatchObject({ code: 'ERR_REPLY_REJECTED' });
    }
    expect(server.sent).toEqual([]);
    const named = deliver({ headers: { From: `"${token}" <ada@example.org>` } });
    expect(await replier().send({ text: 'hi' }, contextOf(named))).toEqual({ kind: 'delivered' });
    expect(JSON.stringify(server.sent)).not.toContain(token);
  });

  test('goes to the sender, into the thread, and says that a machine wrote it', async () => {
    const mail = deliver({ subject: 'Invoice', headers: { References: '<first@example.org>' } });
    expect(await replier().send({ text: 'It is paid.\nBye' }, contextOf(mail))).toEqual({ kind: 'delivered' });
    const [sent] = server.sent;
    expect(sent).toMatchObject({ mailbox: MAILBOX, threadId: mail.threadId, text: 'It is paid.\r\nBye' });
    expect(Object.fromEntries(sent?.headers.map(({ name, value }) => [name, value]) ?? [])).toEqual({
      From: MAILBOX,
      To: 'ada@example.org',
      Subject: 'Re: Invoice',
      'Message-ID': '<ev_0REPLY.sallyport@example.com>',
      'In-Reply-To': `<${mail.id}@mail.example.org>`,
      References: `<first@example.org> <${mail.id}@mail.example.org>`,
      'Auto-Submitted': 'auto-replied',
      'X-Sallyport-Reply': 'ev_0REPLY',
      'MIME-Version': '1.0',
      'Content-Type': 'text/plain; charset=UTF-8',
      'Content-Transfer-Encoding': 'base64',
    });
  });

  test('goes where the message wants it to go, and keeps a subject that is one already', async () => {
    await replier().send(
      { text: 'x' },
      contextOf(deliver({ subject: 'RE: x', headers: { 'Reply-To': 'Desk <desk@example.org>' } })),
    );
    expect([header(server.sent[0], 'To'), header(server.sent[0], 'Subject')]).toEqual(['desk@example.org', 'RE: x']);
  });

  test.each([
    ['the message is gone', (mail: StoredMail) => server.mailbox(MAILBOX).remove(mail.id), {}],
    ['the answer would come back to the mailbox', () => {}, { headers: { 'Reply-To': MAILBOX } }],
  ] as const)('is refused when %s', async (_, prepare, options) => {
    const mail = deliver(options);
    prepare(mail);
    await expect(replier().send({ text: 'x' }, contextOf(mail))).rejects.toMatchObject({ code: 'ERR_REPLY_REJECTED' });
    expect(server.sent).toEqual([]);
  });

  test('is refused for an event that is no message', async () => {
    const context = { ...contextOf(deliver()), destination: { mailbox: MAILBOX } };
    await expect(replier().send({ text: 'x' }, context)).rejects.toMatchObject({ code: 'ERR_REPLY_REJECTED' });
  });

  test.each([
    ['messages.get', 503, 'ERR_REPLY_UNAVAILABLE'],
    ['messages.get', 'reset', 'ERR_REPLY_UNAVAILABLE'],
    ['messages.send', 429, 'ERR_REPLY_UNAVAILABLE'],
    ['messages.send', 403, 'ERR_REPLY_UNAVAILABLE'],
    ['messages.send', 401, 'ERR_REPLY_UNAVAILABLE'],
  ] as const)('that was certainly not sent (%s: %s) may be sent later', async (method, kind, code) => {
    faults = { [method]: kind };
    await expect(replier().send({ text: 'x' }, contextOf(deliver()))).rejects.toMatchObject({ code });
    expect(server.sent).toEqual([]);
  });

  test.each(['lost-answer', 'reset', 500, 503, 'timeout'] as const)(
    'that may have been sent (%s) is neither repeated nor given up',
    async (kind) => {
      faults = { 'messages.send': kind };
      const context = contextOf(deliver(), 'ev_0REPLY', kind === 'timeout' ? 100 : 5_000);
      const result = await replier().send({ text: 'x' }, context);
      expect(result).toMatchObject({ kind: 'ambiguous' });
      expect(server.calls.filter(({ method }) => method === 'messages.send')).toHaveLength(1);
    },
  );
});

describe('looking for a reply that may have been sent', () => {
  const find = (mail: StoredMail, sinceMs: number, replyId?: string) =>
    replier().find(contextOf(mail, replyId), sinceMs);

  test('finds it in its thread, whatever became of its Message-ID', async () => {
    const mail = deliver();
    faults = { 'messages.send': 'lost-answer' };
    await replier().send({ text: 'x' }, contextOf(mail));
    expect(await find(mail, clock.now())).toBe('delivered');
    deliver({ threadId: mail.threadId, labels: ['SENT'], headers: { 'X-Sallyport-Reply': 'ev_1' } });
    expect(await find(mail, clock.now(), 'ev_1')).toBe('delivered');
  });

  test('finds it by its Message-ID where the thread is gone', async () => {
    const mail = deliver();
    deliver({ labels: ['SENT'], headers: { 'Message-ID': '<ev_2.sallyport@example.com>' } });
    server.mailbox(MAILBOX).remove(mail.id);
    expect(await find(mail, clock.now(), 'ev_2')).toBe('delivered');
  });

  test('does not find what was never sent, nor takes another reply for it', async () => {
    const mail = deliver();
    expect(await find(mail, clock.now())).toBe('absent');
    await replier().send({ text: 'x' }, contextOf(mail));
    expect(await find(mail, clock.now(), 'ev_other')).toBe('absent');
  });

  test('cannot tell where the thread is gone and nothing is found', async () => {
    const mail = deliver();
    server.mailbox(MAILBOX).remove(mail.id);
    expect(await find(mail, clock.now() - 60_000)).toBe('unknown');
  });

  test.each(['threads.get', 'messages.list'] as const)('is put off while Gmail cannot say (%s)', async (method) => {
    faults = { [method]: 503 };
    await expect(find(deliver(), 0)).rejects.toMatchObject({ code: 'ERR_REPLY_UNAVAILABLE' });
  });
});

describe('the message', () => {
  const mail = {
    mailbox: MAILBOX,
    to: 'a@example.org',
    subject: 'x',
    inReplyTo: '',
    references: '',
    replyId: 'ev_1',
    text: 'x',
  };
  const compose = (overrides: Partial<typeof mail>): string =>
    Buffer.from(composeReply({ ...mail, ...overrides })).toString();

  test('is ASCII in lines that every server takes, whatever it says', () => {
    const raw = compose({ subject: `Grüße 東京 ${'ü'.repeat(300)}`, text: '東京\n'.repeat(500) });
    expect(raw).toMatch(/^[\x00-\x7f]*$/);
    expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(76);
    expect(raw.split('\r\n').every((line) => !line.includes('\n'))).toBe(true);
    expect(parseRaw(Buffer.from(raw).toString('base64url')).text).toBe('東京\r\n'.repeat(500));
  });

  test('never cuts a character of its subject in two', () => {
    const words = [...compose({ subject: '😀'.repeat(60) }).matchAll(/=\?UTF-8\?B\?([^?]+)\?=/g)].map(
      ([, word]) => word ?? '',
    );
    const decoded = words.map((word) => new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(word, 'base64')));
    expect(decoded.join('')).toBe(`Re: ${'😀'.repeat(60)}`);
  });

  test('keeps the first and the latest of many references, and nothing that is none', () => {
    const references = `${Array.from({ length: 50 }, (_, i) => `<${i}@example.org>`).join(' ')} junk`;
    const raw = compose({ references, inReplyTo: '<last@example.org>' });
    const ids: string[] = raw.match(/<[^>]+@example\.org>/g) ?? [];
    expect([
      ids.includes('<0@example.org>'),
      ids.includes('<1@example.org>'),
      ids.includes('<last@example.org>'),
    ]).toEqual([true, false, true]);
    expect(raw).not.toContain('junk');
  });
});
