import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { answerClientError } from '../../../src/server/http/listen.node.ts';

test('connections over their time end a few in a turn, and each of them is answered 408', async () => {
  const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
  const sockets = Array.from({ length: 1_000 }, () => new PassThrough().on('error', () => {}));
  for (const socket of sockets) answerClientError(late, socket);
  let most = 0;
  for (let turn = 0, before = 0; turn < sockets.length && before < sockets.length; turn += 1) {
    await nextTurn();
    const ended = sockets.filter(({ writableEnded }) => writableEnded).length;
    most = Math.max(most, ended - before);
    before = ended;
  }
  expect(most).toBeLessThan(150);
  expect(sockets.map((socket) => String(socket.read()).slice(0, 12))).toEqual(sockets.map(() => 'HTTP/1.1 408'));
});
