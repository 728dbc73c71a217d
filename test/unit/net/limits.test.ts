import { createServer } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGuardedFetch } from '../../../src/net/guarded-fetch.ts';
import { until } from '../../support/until.ts';
import { fixedNames, startCounting, startWeb } from './support/web.ts';

const MAX = 64 * 1024;

const clientFor = (port: number) => {
  const resolve = fixedNames({});
  const fetch = createGuardedFetch({ resolve, allow: [{ host: '127.0.0.1', port }], maxBytes: MAX });
  onTestFinished(() => fetch.close());
  return () => fetch(`http://127.0.0.1:${port}/`);
};

const serve = async (headers: Record<string, string>, body: Uint8Array | string) =>
  clientFor((await startWeb((_request, response) => response.writeHead(200, headers).end(body))).port);

/** A server below HTTP: sends these bytes to everyone. */
const serveRaw = async (answer: string) => {
  const server = createServer((socket) => void socket.on('error', () => undefined).end(answer, 'latin1'));
  const { port } = await startCounting(server);
  onTestFinished(() => void server.close());
  return clientFor(port);
};

const tooLarge = { code: 'ERR_OUTBOUND_TOO_LARGE', reason: 'response-too-large' };

describe('the size of a response', () => {
  it('may be exactly the cap', async () => {
    const fetch = await serve({}, Buffer.alloc(MAX));
    expect((await fetch()).body.byteLength).toBe(MAX);
  });

  it('is refused by its Content-Length before the body is read', async () => {
    const fetch = await serveRaw(`HTTP/1.1 200 OK\r\ncontent-length: ${MAX + 1}\r\n\r\n`);
    await expect(fetch()).rejects.toMatchObject(tooLarge);
  });

  it('is counted while reading when no length was given, and reading stops there', async () => {
    let sent = 0;
    let closed = false;
    const web = await startWeb((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
      const push = (): void => {
        while (!closed && sent < 100 * 1024 * 1024) {
          sent += MAX;
          if (!response.write(Buffer.alloc(MAX))) return void response.once('drain', push);
        }
      };
      push();
    });
    await expect(clientFor(web.port)()).rejects.toMatchObject(tooLarge);
    await until('the connection is closed', () => closed, { everyMs: 5 });
    expect(sent).toBeLessThan(100 * 1024 * 1024);
  });

  it('does not count for HEAD, where the length is of what was not sent', async () => {
    const web = await startWeb((_request, response) =>
      response.writeHead(200, { 'content-length': String(MAX * 2), 'content-encoding': 'zstd' }).end(),
    );
    const allow = [{ host: '127.0.0.1', port: web.port }];
    const fetch = createGuardedFetch({ resolve: fixedNames({}), allow, maxBytes: MAX });
    const response = await fetch(`http://127.0.0.1:${web.port}/`, { method: 'HEAD' });
    expect([response.status, response.body.byteLength]).toEqual([200, 0]);
    await fetch.close();
  });
});

describe('a coded response', () => {
  const text = 'words '.repeat(1_000);

  it.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['deflate', deflateSync(text)],
    ['identity', Buffer.from(text)],
  ])('of coding %s is decoded', async (coding, body) => {
    const fetch = await serve({ 'content-encoding': coding }, body);
    expect((await fetch()).text()).toBe(text);
  });

  it.each(['gzip', 'br', 'deflate'])('of coding %s may be empty', async (coding) => {
    const fetch = await serve({ 'content-encoding': coding }, '');
    expect((await fetch()).body.byteLength).toBe(0);
  });

  const zeros = Buffer.alloc(64 * 1024 * 1024);
  it.each([
    ['gzip', gzipSync(zeros)],
    ['br', brotliCompressSync(zeros)],
    ['deflate', deflateSync(zeros)],
    ['gzip in many members', Buffer.concat(Array<Buffer>(200).fill(gzipSync(Buffer.alloc(1_024))))],
  ])('that unfolds beyond the cap is stopped: %s', async (coding, bomb) => {
    const fetch = await serve({ 'content-encoding': coding.split(' ')[0] ?? '' }, bomb);
    await expect(fetch()).rejects.toMatchObject(tooLarge);
  });

  it.each(['zstd', 'compress', 'gzip, gzip', 'br, gzip', 'constructor', '__proto__'])(
    'is refused in the coding %s, which was not asked for',
    async (coding) => {
      const fetch = await serve({ 'content-encoding': coding }, gzipSync(text));
      await expect(fetch()).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED', reason: 'encoding-unsupported' });
    },
  );

  it.each([
    ['gzip', Buffer.from('not gzip at all')],
    ['gzip', gzipSync(text).subarray(0, 20)],
    ['br', Buffer.from('not brotli at all, not at all')],
    ['br', brotliCompressSync(text).subarray(0, 10)],
    ['deflate', Buffer.from('not deflate at all')],
  ])('that is broken is a failure of the other side: %s', async (coding, body) => {
    const fetch = await serve({ 'content-encoding': coding }, body);
    await expect(fetch()).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED', reason: 'decoding-failed' });
  });
});

describe('a response that is not HTTP', () => {
  it.each([
    ['another protocol', '220 mail.internal ESMTP\r\n', 'response-malformed'],
    ['headers without end', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`, 'response-malformed'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab', 'response-malformed'],
    ['a body cut short', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab', 'connection-lost'],
    ['nothing', '', 'connection-lost'],
  ])('is a failure: %s', async (_case, answer, reason) => {
    const fetch = await serveRaw(answer);
    await expect(fetch()).rejects.toMatchObject({ code: 'ERR_OUTBOUND_FAILED', reason });
  });
});
