import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call on its way to the Web API. */
export interface SlackCall {
  readonly method: string;
  readonly channel: string;
  readonly text: string;
}

export interface SlackFront {
  /** For `SLACK_API_URL`. */
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Stands before a Slack server and sees every call first. A call that `passes` says no to is left without an answer: the
 * connection stays open until its caller or the front ends. So is one that is only `taken`, but Slack has it.
 */
export async function startSlackFront(
  target: string,
  passes: (call: SlackCall) => boolean | 'taken',
): Promise<SlackFront> {
  const server = createServer(async (request, response) => {
    const path = (request.url ?? '').replace(/^\/api\//, '');
    const body = await textOf(request);
    const fields = new URLSearchParams(body);
    const call = { method: path, channel: fields.get('channel') ?? '', text: fields.get('text') ?? '' };
    const verdict = passes(call);
    if (verdict === false) return;
    const { authorization = '', 'content-type': type = '' } = request.headers;
    const headers = { authorization, 'content-type': type };
    const answer = await fetch(new URL(path, target), { method: 'POST', headers, body });
    if (verdict === 'taken') return;
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
