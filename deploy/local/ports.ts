import { createServer } from 'node:net';

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** Below the range from which the system picks the ports of outgoing connections, which come and go. */
const FIRST = 20_000;
const LAST = 29_999;

/** Distinct ports of this machine that were free a moment ago. @throws Error if there are not enough */
export async function freePorts(count: number): Promise<readonly number[]> {
  const found: number[] = [];
  // Different runs start at different places, so that two that look at the same time hardly meet.
  const start = Math.floor(Math.random() * (LAST - FIRST));
  for (let step = 0; step <= LAST - FIRST && found.length < count; step += 1) {
    const port = FIRST + ((start + step) % (LAST - FIRST + 1));
    if (await isFree(port)) found.push(port);
  }
  if (found.length < count) throw new Error(`no ${count} free ports between ${FIRST} and ${LAST}`);
  return found;
}
