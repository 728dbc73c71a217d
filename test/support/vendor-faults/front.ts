import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What becomes of one call that posts a reply. Times are milliseconds from its arrival. */
export interface Fate {
  /** When the vendor carries it out, whether or not the caller still waits; null: never. */
  readonly effectAt: number | null;
  readonly answer:
    | { readonly at: number; readonly as: 'reset' | { readonly status: number } }
    /** The vendor's own, once it has carried the call out. */
    | 'truth';
}

export interface Front {
  readonly url: string;
  stop(): Promise<void>;
}

/** Whether a request posts something, and if so whether it belongs to a reply. */
export type FateOf = (path: string, body: string) => Fate | undefined;

/** Stands before a local vendor and decides what becomes of the calls that post. Everything else passes. */
export async function startFront(target: string, fateOf: FateOf): Promise<Front> {
  const server = createServer((incoming, response) => {
    serve(incoming, response, target, fateOf).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { pathname } = new URL(target);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  incoming: IncomingMessage,
  response: ServerResponse,
  target: string,
  fateOf: FateOf,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const fate = fateOf(incoming.url ?? '', body.toString()) ?? { effectAt: 0, answer: 'truth' };
  const effect = fate.effectAt === null ? undefined : delay(fate.effectAt).then(() => forward(incoming, body, target));
  if (fate.answer === 'truth') {
    const answer = await effect;
    if (answer === undefined) return;
    response.writeHead(answer.status, answer.headers).end(answer.body);
    return;
  }
  // The vendor carries out what it was sent, whatever the caller is told.
  effect?.catch(() => {});
  await delay(fate.answer.at);
  if (fate.answer.as === 'reset') incoming.socket.destroy();
  else response.writeHead(fate.answer.as.status).end();
}

function forward(incoming: IncomingMessage, body: Buffer, target: string) {
  const { hostname, port } = new URL(target);
  const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = incoming.headers;
  return new Promise<{ status: number; headers: Record<string, string>; body: Buffer }>((resolve, reject) => {
    const outgoing = request(
      {
        hostname,
        port,
        path: incoming.url,
        method: incoming.method,
        headers: { ...headers, 'content-length': String(body.length) },
      },
      async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        const kept = ['content-type', 'retry-after'].flatMap((name) => {
          const value = answer.headers[name];
          return typeof value === 'string' ? [[name, value] as const] : [];
        });
        resolve({ status: answer.statusCode ?? 502, headers: Object.fromEntries(kept), body: Buffer.concat(chunks) });
      },
    );
    outgoing.on('error', reject).end(body);
  });
}
