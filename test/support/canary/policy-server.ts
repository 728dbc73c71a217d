import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PolicyServer {
  readonly url: string;
  /** Every request's body. */
  readonly asked: readonly string[];
  stop(): Promise<void>;
}

/** A guardrail service that adds something to every reply and to the arguments of calls. */
export async function startPolicyServer(added: (text: string) => string): Promise<PolicyServer> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    asked.push(body);
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(verdictOn(JSON.parse(body))));
  });
  const verdictOn = ({ stage, text, tool }: { stage: string; text: string; tool?: string }): object => {
    if (stage === 'output') return { verdict: 'change', text: `${text} ${added(text)}` };
    // The arguments of `reply` are a text and nothing else.
    if (stage === 'input' || tool === 'reply') return { verdict: 'pass' };
    return { verdict: 'change', text: JSON.stringify({ ...JSON.parse(text), added: added(text) }) };
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
