import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { codeOf } from '../../../src/core/errors.ts';
import { readIncoming } from '../../../src/server/http/body.node.ts';

/** What became of each body, as text or as the code of its refusal. */
let ends: string[] = [];
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  ends = [];
  server = createServer((incoming, outgoing) => {
    void endOf(incoming).then((end) => {
      ends.push(end);
      outgoing.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function endOf(incoming: IncomingMessage): Promise<string> {
  try {
    return Buffer.from(await readIncoming(incoming, { maxBytes: 20, timeoutMs: 60_000 })).toString();
  } catch (error) {
    return codeOf(error);
  }
}

const head = (length: number): string => `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;

/** Writes all of it at once, and hangs up in the same moment where told to. */
function send(text: string, isCut = false): void {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
    socket.write(text);
    if (isCut) socket.destroy();
  });
  socket.on('error', () => {});
}

test('a body is read whole, whether it comes with its headers, later, or not at all', async () => {
  send(`${head(5)}hello`);
  send(head(0));
  const late = connect((server.address() as AddressInfo).port, '127.0.0.1', () => {
    late.write(head(11));
    setTimeout(() => late.write('hello '), 20);
    setTimeout(() => late.write('world'), 40);
  });
  await expect.poll(() => ends.toSorted()).toEqual(['', 'hello', 'hello world']);
});

test('requests behind one another in one packet keep their own bodies', async () => {
  send(`${head(3)}one${head(3)}two${head(5)}three`);
  await expect.poll(() => ends).toEqual(['one', 'two', 'three']);
});

test('a body over the limit is refused, though it came whole with its headers', async () => {
  send(`${head(21)}${'x'.repeat(21)}`);
  await expect.poll(() => ends).toEqual(['ERR_BODY_TOO_LARGE']);
});

test('whoever hangs up with the packet that brings half a body is not waited for', async () => {
  for (let i = 0; i < 20; i += 1) send(`${head(20)}half`, true);
  await expect.poll(() => ends).toEqual(Array.from({ length: 20 }, () => 'ERR_BODY_ABORTED'));
});

test('whoever has hung up before anybody reads is not waited for, and a body that was there whole is read', async () => {
  server.removeAllListeners('request');
  server.on('request', (incoming: IncomingMessage) => {
    incoming.on('close', () => void endOf(incoming).then((end) => ends.push(end)));
  });
  for (const text of [`${head(20)}half`, `${head(5)}hello`, head(5)]) send(text, true);
  await expect.poll(() => ends.toSorted()).toEqual(['ERR_BODY_ABORTED', 'ERR_BODY_ABORTED', 'hello']);
});

test('a large body is put together over several turns of the event loop, in the order in which it came', async () => {
  const incoming = Object.assign(new PassThrough(), { complete: false });
  const pieces = Array.from({ length: 64 }, (_, n) => Buffer.alloc(64 * 1024, n));
  let isInPool = true;
  const leave = (): void => {
    isInPool = false;
  };
  const limits = { maxBytes: 4 * 1024 * 1024, timeoutMs: 60_000 };
  const reading = readIncoming(incoming as unknown as IncomingMessage, limits, () => ({ add: () => {}, leave }));
  let isRead = false;
  void reading.then(() => {
    isRead = true;
  });
  const ended = new Promise((resolve) => incoming.once('end', resolve));
  for (const piece of pieces) incoming.write(piece);
  incoming.end();
  await ended;
  const keptItsPlace = isInPool;
  let turns = 0;
  for (; !isRead && turns < 1_000; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(turns).toBeGreaterThan(8);
  expect(keptItsPlace).toBe(true);
  expect(isInPool).toBe(false);
  expect(Buffer.concat(pieces).equals(await reading)).toBe(true);
});
