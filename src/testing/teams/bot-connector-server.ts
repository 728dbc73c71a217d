import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { defined } from '../../core/defined.ts';
import { type KeyServer, startKeyServer } from '../keys/key-server.ts';
import { createSigningKey, type SigningKey } from '../keys/signing-key.ts';

/** What goes wrong with a request. `at` narrows it to the token endpoint or to the conversations. */
export type BotConnectorFault = { readonly at?: 'token' | 'conversations' } & (
  | { readonly kind: 'delay'; readonly ms: number }
  /** The connection closes without an answer, before or after the request had its effect. */
  | { readonly kind: 'drop'; readonly after: 'nothing' | 'effect' }
  /** An HTTP status, e.g. 429 with `retryAfter` in seconds, or 503, with a JSON `body` if there is one. No effect. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: number; readonly body?: object }
  /** A gateway's status, after the request had its effect. */
  | { readonly kind: 'late-status'; readonly status: number }
  /** Sends the client elsewhere. No effect. */
  | { readonly kind: 'redirect'; readonly location: string }
);

/** An activity the bot posted. */
export interface BotPost {
  readonly id: string;
  readonly conversation: string;
  /** Absent when it was sent to the conversation and not as a reply. */
  readonly replyTo?: string;
  readonly activity: Readonly<Record<string, unknown>>;
}

export interface BotConnectorOptions {
  /** The only credentials that get a token. Absent: all do. */
  readonly appId?: string;
  readonly appPassword?: string;
  /** Life of the tokens, in seconds. */
  readonly tokenSeconds?: number;
  /** Default: one key, endorsed for `msteams`. */
  readonly keys?: readonly SigningKey[];
}

export interface BotConnectorServer {
  /** For activities, and its host and port for `TEAMS_SERVICE_HOSTS`. */
  readonly serviceUrl: string;
  readonly host: string;
  /** For `TEAMS_TOKEN_URL`. */
  readonly tokenUrl: string;
  /** The keys behind `TEAMS_OPENID_URL`, which is `keys.openidUrl`. */
  readonly keys: KeyServer;
  /** What the published key signs with. */
  readonly signingKey: SigningKey;
  /** Every message the bot posted, in order. */
  readonly posts: readonly BotPost[];
  /** Typing signs, and how many messages each conversation had by then. */
  readonly typings: readonly { readonly conversation: string; readonly after: number }[];
  /** Forms that asked for a token, those that failed included. */
  readonly tokenRequests: readonly Readonly<Record<string, string>>[];
  /** Makes the next matching request go wrong; several queue up. */
  failNext(fault: BotConnectorFault): void;
  /** No token given out so far is taken any more. */
  revokeTokens(): void;
  stop(): Promise<void>;
}

interface World extends BotConnectorOptions {
  readonly posts: BotPost[];
  readonly typings: { conversation: string; after: number }[];
  readonly tokenRequests: Record<string, string>[];
  readonly tokens: Set<string>;
  readonly faults: BotConnectorFault[];
}

/** The key the connector signs with unless told otherwise. */
export const createBotConnectorKey = (kid?: string): SigningKey =>
  createSigningKey({ endorsements: ['msteams'], ...defined({ kid }) });

/**
 * A local server that behaves like the Bot Framework towards a bot: OpenID document and keys with endorsements, Entra's
 * token endpoint, and the connector's conversations.
 */
export async function startBotConnectorServer(options: BotConnectorOptions = {}): Promise<BotConnectorServer> {
  const signingKey = options.keys?.[0] ?? createBotConnectorKey();
  const keys = await startKeyServer(options.keys ?? [signingKey]);
  const world: World = { ...options, posts: [], typings: [], tokenRequests: [], tokens: new Set(), faults: [] };
  const server = createServer((request, response) => {
    serve(request, response, world).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    serviceUrl: `http://${host}/teams/`,
    host,
    tokenUrl: `http://${host}/oauth2/v2.0/token`,
    keys,
    signingKey,
    posts: world.posts,
    typings: world.typings,
    tokenRequests: world.tokenRequests,
    failNext: (fault) => void world.faults.push(fault),
    revokeTokens: () => world.tokens.clear(),
    async stop() {
      await keys.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Base path, then `v3/conversations/{id}/activities` with or without the activity that is replied to. */
const ACTIVITIES = /\/v3\/conversations\/([^/]+)\/activities(?:\/([^/]+))?$/;

async function serve(request: IncomingMessage, response: ServerResponse, world: World): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://connector.invalid').pathname;
  const body = await readText(request);
  const place = path.endsWith('/token') ? 'token' : 'conversations';
  const index = world.faults.findIndex(({ at }) => at === undefined || at === place);
  const fault = index === -1 ? undefined : world.faults.splice(index, 1)[0];
  if (fault?.kind === 'delay') await delay(fault.ms);
  if (fault?.kind === 'drop' && fault.after === 'nothing') return void request.socket.destroy();
  if (fault?.kind === 'status') return refuse(response, fault.status, { 'retry-after': fault.retryAfter }, fault.body);
  if (fault?.kind === 'redirect') return refuse(response, 307, { location: fault.location });
  const result = place === 'token' ? grant(body, world) : converse(path, request, body, world);
  if (fault?.kind === 'drop') return void request.socket.destroy();
  if (fault?.kind === 'late-status') return refuse(response, fault.status, {});
  response.writeHead(result.status, { 'content-type': 'application/json' }).end(JSON.stringify(result.body));
}

function refuse(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, unknown>>,
  body?: object,
): void {
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, String(value));
  }
  response.writeHead(status).end(body === undefined ? undefined : JSON.stringify(body));
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

interface Result {
  readonly status: number;
  readonly body: object;
}

function grant(body: string, world: World): Result {
  const form = Object.fromEntries(new URLSearchParams(body));
  world.tokenRequests.push(form);
  const { appId, appPassword, tokenSeconds = 3600 } = world;
  const isKnown =
    form.grant_type === 'client_credentials' &&
    (appId === undefined || form.client_id === appId) &&
    (appPassword === undefined || form.client_secret === appPassword);
  if (!isKnown) return { status: 401, body: { error: 'invalid_client' } };
  const token = `connector-token-${randomUUID()}`;
  world.tokens.add(token);
  return { status: 200, body: { token_type: 'Bearer', expires_in: tokenSeconds, access_token: token } };
}

function converse(path: string, request: IncomingMessage, body: string, world: World): Result {
  const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
  if (!world.tokens.has(token)) return { status: 401, body: { error: { code: 'Unauthorized' } } };
  const [, conversation, replyTo] = ACTIVITIES.exec(path) ?? [];
  if (conversation === undefined || request.method !== 'POST') return { status: 404, body: {} };
  const activity = JSON.parse(body) as Record<string, unknown>;
  if (activity.type === 'typing') {
    const place = decodeURIComponent(conversation);
    const after = world.posts.filter((post) => post.conversation === place).length;
    world.typings.push({ conversation: place, after });
    return { status: 201, body: { id: `typing-${world.typings.length}` } };
  }
  if (typeof activity.text !== 'string' || activity.text === '') return { status: 400, body: {} };
  const id = String(world.posts.length + 1);
  world.posts.push({
    id,
    conversation: decodeURIComponent(conversation),
    ...(replyTo !== undefined && { replyTo: decodeURIComponent(replyTo) }),
    activity,
  });
  return { status: 201, body: { id } };
}
