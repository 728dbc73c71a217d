import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { webhookKey } from '../../core/crypto/webhook-key.ts';

/** A verified request of the gate. */
export interface HttpAgentRequest {
  /** The same for every repetition of this request: answer it once, and the same again. */
  readonly id: string;
  readonly run: string;
  readonly callbackUrl: string | null;
  readonly event: {
    readonly id: string;
    readonly tenant: string;
    readonly channel: string;
    readonly kind: string;
    readonly conversation: { readonly name: string; readonly key: string };
    readonly mentioned: boolean;
    readonly author: { readonly id: string; readonly kind: string };
    readonly text: string;
    readonly payload: unknown;
  };
  readonly headers: Readonly<Record<string, string>>;
  /** As received. */
  readonly body: string;
}

/** What the server does with a request: an answer, a bare response, or a connection that closes without any. */
export type HttpAgentReaction =
  | HttpAgentAnswer
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | 'drop';

export interface HttpAgentServerOptions {
  /** `SALLYPORT_AGENT_SECRET` */
  readonly secret: string;
  /** Default: repeats the event's text. */
  readonly react?: (request: HttpAgentRequest) => HttpAgentReaction | Promise<HttpAgentReaction>;
}

export interface HttpAgentServer {
  /** For `SALLYPORT_AGENT_URL`. */
  readonly url: string;
  /** Verified requests, in order. */
  readonly requests: readonly HttpAgentRequest[];
  /** Requests that failed verification; they are answered 401. */
  readonly refused: number;
  stop(): Promise<void>;
}

/**
 * A local agent behind `SALLYPORT_AGENT=http`. It verifies every request with the `standardwebhooks` package.
 * @example const agent = await startHttpAgentServer({ secret, react: ({ event }) => ({ reply: { text: event.text } }) });
 */
export async function startHttpAgentServer(options: HttpAgentServerOptions): Promise<HttpAgentServer> {
  const webhook = webhookOf(options.secret);
  const react = options.react ?? (({ event }) => ({ reply: { text: `http: ${event.text}` } }));
  const requests: HttpAgentRequest[] = [];
  let refused = 0;
  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await textOf(incoming);
    const headers = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    let request: HttpAgentRequest;
    try {
      const content = webhook.verify(body, headers) as Pick<HttpAgentRequest, 'run' | 'callbackUrl' | 'event'>;
      request = { ...content, id: headers['webhook-id'] ?? '', headers, body };
    } catch {
      refused += 1;
      return void response.writeHead(401).end();
    }
    requests.push(request);
    answer(await react(request), response);
  }
  const server = createServer((incoming, response) => {
    serve(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/agent`,
    requests,
    get refused() {
      return refused;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function answer(reaction: HttpAgentReaction, response: ServerResponse): void {
  if (reaction === 'drop') return void response.destroy();
  if ('status' in reaction) return void response.writeHead(reaction.status, reaction.headers).end(reaction.body);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reaction));
}

/** Ways to spoil a callback that would otherwise be correct. Each of them must be answered 401. */
export type CallbackTamper = 'stale' | 'future' | 'wrong-key' | 'altered';

/** One second more than the tolerance of Standard Webhooks. */
const OUTSIDE_TOLERANCE_SECONDS = 301;
/** What is dated ahead must still be ahead when it is read: so much may pass on the way, in seconds. */
const ON_THE_WAY_SECONDS = 30;

/** What an agent says, in its response or by callback. docs/http-agent.md. */
export interface HttpAgentAnswer {
  readonly reply?: { readonly text: string };
  /** What is left out counts as all that was reserved of it. */
  readonly usage?: {
    readonly inputTokens?: number;
    readonly outputTokens?: number;
    readonly usdMicros?: number;
    readonly modelCalls?: number;
    readonly toolCalls?: number;
  };
  /** A person looks at the reply first. */
  readonly review?: boolean;
}

export interface CallbackSigning {
  readonly secret: string;
  /** As the request named it. */
  readonly run: string;
  readonly answer: HttpAgentAnswer;
  /** Epoch ms that the callback claims to be made at. Default: now. */
  readonly at?: number;
  /** Default: a fresh one. */
  readonly id?: string;
  readonly tamper?: CallbackTamper;
}

/** A callback ready for `fetch`, to be posted to `/callbacks/{run}`. */
export interface SignedCallback {
  readonly method: 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * The signer and verifier of a secret, as the gate reads it: `whsec_` and base64, or text as it is written.
 * @throws Error for a secret the gate refuses
 */
function webhookOf(secret: string): Webhook {
  const key = webhookKey(secret);
  if (key === null) throw new Error('the secret must be whsec_ and base64, or other text, of 16 bytes at least');
  return new Webhook(key, { format: 'raw' });
}

/** Signs a callback as an agent does, or wrongly in exactly the way `tamper` names. */
export function signCallback(signing: CallbackSigning): SignedCallback {
  const { secret, run, answer, at = Date.now(), id = `msg_${randomUUID()}`, tamper } = signing;
  const body = JSON.stringify({ run, ...answer });
  const seconds = Math.floor(at / 1000) + shiftOf(tamper);
  const webhook = webhookOf(tamper === 'wrong-key' ? `not-${secret}` : secret);
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': webhook.sign(id, new Date(seconds * 1000), body),
    },
    // White space that JSON does not mind: only the signature can tell.
    body: tamper === 'altered' ? `${body} ` : body,
  };
}

function shiftOf(tamper: CallbackTamper | undefined): number {
  if (tamper === 'stale') return -OUTSIDE_TOLERANCE_SECONDS;
  return tamper === 'future' ? OUTSIDE_TOLERANCE_SECONDS + ON_THE_WAY_SECONDS : 0;
}
