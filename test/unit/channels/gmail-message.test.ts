import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Read } from '../../../src/channels/channel.ts';
import { messageEvent } from '../../../src/channels/gmail/receive/identify.ts';
import { newMailbox } from '../../../src/channels/gmail/sync/mailbox-state.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { htmlToText } from '../../../src/core/text/html.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import type { MailContent, MailOptions } from '../../../src/testing/gmail/mailbox.ts';
import { type GmailFault, type GmailServer, startGmailServer } from '../../../src/testing/gmail/server.ts';
import { createFakeClock } from '../../support/clock.ts';
import { identifier, MAILBOX } from '../../support/gmail.ts';
import { type GmailWorker, openGmailWorker, prepared, TENANT } from '../../support/gmail-worker.ts';
import { htmlSample, htmlSampleText } from '../../support/html-sample.ts';

const clock = createFakeClock();
let folder: string;
let store: Store;
let server: GmailServer;
let worker: GmailWorker;
let fault: GmailFault | undefined;
let faultOf: () => GmailFault | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-mail-'));
  const path = join(folder, 'gmail.db');
  store = await openEmbeddedStore({
    path,
    limits: defaultLimits,
    idCheck: 'test',
    logger: silentLogger,
    clock: clock.now,
  });
  server = await startGmailServer({ clock: clock.now, fault: () => faultOf() });
  worker = openGmailWorker({ store, url: server.url, clock });
  await worker.mailboxes.update(MAILBOX, () => newMailbox(clock.now()));
});
afterAll(async () => {
  await server.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  fault = undefined;
  faultOf = () => fault;
});

/** What the reader makes of the event behind a message. */
async function readId(id: string, threadId = 'abc'): Promise<Read> {
  const [event] = prepared([messageEvent(MAILBOX, { id, threadId }, clock.now(), { identifier, tenant: TENANT })]);
  if (event === undefined) throw new Error('the event was quarantined');
  return worker.read(event);
}
const read = (options: MailOptions): Promise<Read> => readId(server.mailbox(MAILBOX).deliver(options).id);

async function textOf(parts: readonly MailContent[]): Promise<string | undefined> {
  const result = await read({ subject: '', parts });
  return result.kind === 'task' ? result.content.text : undefined;
}

describe('what comes with a message', () => {
  test('is read where it is a short text, from Gmail, and named where it is not', async () => {
    const before = server.calls.length;
    const result = await read({
      from: 'Ada <ada@example.org>',
      parts: [
        { mimeType: 'text/plain', data: 'see these' },
        { mimeType: 'text/csv', data: 'a,b', filename: 'table.csv' },
        { mimeType: 'application/pdf', data: '%PDF', filename: 'bill.pdf' },
        { mimeType: 'text/plain', data: 'x'.repeat(64 * 1024 + 1), filename: 'big.log' },
      ],
    });
    expect(result).toMatchObject({
      kind: 'task',
      content: {
        text: 'Hello\n\nsee these',
        authorName: 'Ada',
        attachments: [
          { name: 'table.csv', type: 'text/csv', size: 3, text: 'a,b' },
          { name: 'bill.pdf', type: 'application/pdf', size: 4 },
          { name: 'big.log', type: 'text/plain', size: 65_537 },
        ],
      },
    });
    expect(JSON.stringify(result).match(/"text":/g)).toHaveLength(3);
    const asked = server.calls.slice(before).map(({ method }) => method);
    expect(asked).toEqual(['messages.get', 'messages.attachments.get']);
  });

  test('is asked for again with the message when Gmail is away', async () => {
    const parts = [{ mimeType: 'text/plain', data: 'hi', filename: 'a.txt' }];
    const { id } = server.mailbox(MAILBOX).deliver({ parts });
    let calls = 0;
    faultOf = () => {
      calls += 1;
      return calls === 2 ? 503 : undefined;
    };
    await expect(readId(id)).rejects.toMatchObject({ code: 'ERR_SOURCE_UNAVAILABLE' });
    expect(await readId(id)).toMatchObject({ content: { attachments: [{ text: 'hi' }] } });
  });

  test.each([
    ['Ada Lovelace <ada@example.org>', 'Ada Lovelace'],
    ['"Lovelace, Ada" <ada@example.org>', 'Lovelace, Ada'],
    ['<ada@example.org>', undefined],
    ['ada@example.org', undefined],
  ])('is told with the name in %s', async (from, name) => {
    const result = await read({ from });
    expect(result.kind === 'task' ? result.content.authorName : null).toBe(name);
  });
});

describe('a message', () => {
  test('is given to the agent with its subject, its text and who wrote it', async () => {
    const mail = server.mailbox(MAILBOX).deliver({
      from: '"Ada <not@this.example>" <Ada@Example.org>',
      subject: 'Invoice 4711',
      text: 'Where is it?\r\nAda',
    });
    const result = await readId(mail.id);
    expect(result).toEqual({
      kind: 'task',
      content: {
        text: 'Invoice 4711\n\nWhere is it?\nAda',
        author: { id: 'ada@example.org', kind: 'user' },
        authorName: 'Ada <not@this.example>',
        payload: {
          mailbox: MAILBOX,
          messageId: mail.id,
          threadId: mail.threadId,
          subject: 'Invoice 4711',
          from: '"Ada <not@this.example>" <Ada@Example.org>',
          to: MAILBOX,
          cc: '',
          date: new Date(clock.now()).toISOString(),
          text: 'Where is it?\nAda',
        },
      },
    });
  });

  test('that is gone is nobody’s business any more', async () => {
    expect(await readId('abcdef0123456789')).toEqual({ kind: 'ignored', reason: 'gone' });
  });

  test.each([
    ['a draft', { labels: ['DRAFT'] }, 'draft'],
    ['sent mail', { labels: ['SENT', 'INBOX'] }, 'sent'],
    ['a chat', { labels: ['CHAT'] }, 'chat'],
    ['spam', { labels: ['SPAM'] }, 'spam'],
    ['trash', { labels: ['TRASH'] }, 'trash'],
    ['mail from the mailbox itself', { from: `Me <${MAILBOX.toUpperCase()}>` }, 'own_mail'],
    ['an automatic reply', { headers: { 'Auto-Submitted': 'auto-replied' } }, 'auto_submitted'],
    [
      'an automatic message with parameters',
      { headers: { 'auto-submitted': 'auto-generated; x=y' } },
      'auto_submitted',
    ],
    ['bulk mail', { headers: { Precedence: 'Bulk' } }, 'bulk'],
    ['an old vacation notice', { headers: { Precedence: 'auto_reply' } }, 'bulk'],
    ['a mailing list', { headers: { 'List-Id': '<list.example.org>' } }, 'mailing_list'],
    ['a bounce', { headers: { 'Return-Path': '<>' } }, 'bounce'],
    ['mail from nobody', { from: 'undisclosed' }, 'no_sender'],
    ['mail from before the mailbox was ours', { at: clock.now() - 1 }, 'before_start'],
  ] as const)('that is %s is ignored', async (_, options, reason) => {
    expect(await read(options)).toEqual({ kind: 'ignored', reason });
  });

  test.each([{ 'Auto-Submitted': 'no' }, { Precedence: 'first-class' }, { 'Return-Path': '<ada@example.org>' }])(
    'with %o was written by a person',
    async (headers) => {
      expect((await read({ headers })).kind).toBe('task');
    },
  );

  test('from more than 30 days ago is ignored, even where it was listed late', async () => {
    const { id } = server.mailbox(MAILBOX).deliver();
    clock.advance(30 * 86_400_000 + 1);
    expect(await readId(id)).toEqual({ kind: 'ignored', reason: 'before_start' });
  });

  test.each([429, 503, 'reset'] as const)('that Gmail cannot give now (%s) is asked for again', async (kind) => {
    const { id } = server.mailbox(MAILBOX).deliver();
    fault = kind;
    await expect(readId(id)).rejects.toMatchObject({ code: 'ERR_SOURCE_UNAVAILABLE' });
  });
});

const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const type = (value: string) => [{ name: 'Content-Type', value }];

describe('the text of a message', () => {
  test('is its plain text, not its HTML nor its attachments', async () => {
    const parts = [
      { mimeType: 'text/plain', data: 'plain' },
      { mimeType: 'text/html', data: '<p>html</p>' },
      { mimeType: 'text/plain', data: 'attached', filename: 'notes.txt' },
      { mimeType: 'text/plain', data: 'attached too', headers: [{ name: 'Content-Disposition', value: 'attachment' }] },
      { mimeType: 'image/png', data: 'png', filename: 'a.png' },
    ];
    expect(await textOf(parts)).toBe('plain');
  });

  test('is its HTML as text where there is nothing else to read', async () => {
    const html =
      '<html><head><title>t</title><style>p{}</style></head><body><p>Hello&nbsp;&amp; &lt;welcome&gt;</p><div>second<br>third</div><script>alert(1)</script></body></html>';
    expect(
      await textOf([
        { mimeType: 'text/plain', data: '  ' },
        { mimeType: 'text/html', data: html },
      ]),
    ).toBe('Hello & <welcome>\n\nsecond\nthird');
  });

  test('is what a person reads of its HTML', async () => {
    expect(await textOf([{ mimeType: 'text/html', data: htmlSample }])).toBe(htmlSampleText);
  });

  test.each([
    ['UTF-8, whatever the header says', Buffer.from('Grüße • 東京'), 'text/plain; charset=iso-2022-jp', 'Grüße • 東京'],
    ['what its header says, where it is no UTF-8', latin1('Grüße'), 'text/plain; charset="ISO-8859-1"', 'Grüße'],
    ['Latin, where it says nothing', latin1('Grüße'), 'text/plain', 'Grüße'],
    ['Latin, where its charset is unknown', latin1('Grüße'), 'text/plain; charset=x-nobody', 'Grüße'],
    ['Shift_JIS', Buffer.from([0x93, 0x8c, 0x8b, 0x9e]), 'text/plain; charset=Shift_JIS', '東京'],
  ])('is read as %s', async (_, data, contentType, text) => {
    expect(await textOf([{ mimeType: 'text/plain', data, headers: type(contentType) }])).toBe(text);
  });

  test('is cut where it grows beyond what anybody writes', async () => {
    const text = await textOf([{ mimeType: 'text/plain', data: 'x'.repeat(100_000) }]);
    expect(text?.length).toBeLessThan(33_000);
    expect(text).toMatch(/\[cut\]$/);
  });

  test('keeps a header from bringing a line of its own', async () => {
    const result = await read({ subject: 'one\r\nBcc: victim@example.org\u2028two' });
    expect(result.kind === 'task' && result.content.payload).toMatchObject({
      subject: 'one Bcc: victim@example.org two',
    });
  });
});

test.each([
  ['<style'.repeat(50_000), ''],
  ['<style>'.repeat(50_000), ''],
  ['<!--'.repeat(50_000), ''],
  // A `<` before another begins no tag and is text, as in browsers; the last begins one that the end cuts off.
  [`${'<'.repeat(100_000)}x`, '<'.repeat(99_999)],
  [`${'<b>'.repeat(100_000)}x${'</i>'.repeat(100_000)}`, 'x'],
  [`${'<form><p>'.repeat(50_000)}x`, 'x'],
  [`x<a title="${'y>'.repeat(100_000)}`, 'x'],
  [`x${"<img alt='".repeat(50_000)}`, 'x'],
  [`x${'<!'.repeat(50_000)}`, 'x'],
  ['&'.repeat(100_000), '&'.repeat(100_000)],
  [`&#${'9'.repeat(100_000)}`, '\ufffd'],
  // What is no character is the replacement character (HTML, 13.2.5.80), so that a reader sees that something was there.
  ['&#x110000;&#0;&#xD800;&unknown;&constructor;', '\ufffd\ufffd\ufffd&unknown;&constructor;'],
  ['<img alt="a" alt="b">', 'a'],
  ['<title>unclosed', ''],
  ['<head><meta name="a">text', 'text'],
  ['<iframe><p>old</p></iframe>new', 'new'],
  ['a<b', 'a'],
  ['a<scr', 'a'],
  ['a<title', 'a'],
  ['<SCRIPT>x</SCRIPT >y', 'y'],
])('hostile HTML is read in one pass (%#)', (html, text) => {
  expect(htmlToText(html)).toBe(text);
});
