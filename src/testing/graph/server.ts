import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { defined } from '../../core/defined.ts';
import { createSigningKey, type SigningKey } from '../keys/signing-key.ts';
import type { PostToGate } from './handshake.ts';
import { channelObject, chatObject, createGraphObjects, mailObject, type StoredObject } from './objects.ts';
import { createGraphPushes, type Disturb, type GraphPushes } from './pushes.ts';
import { type GraphReply, serveGraph } from './rest.ts';
import { graphChatMessage, graphMail } from './signer.ts';
import { createGraphSubscriptions, type GraphResult, type GraphSubscription, graphError } from './subscriptions.ts';

/** What goes wrong with a request of the app. */
export type GraphFault =
  | { readonly kind: 'delay'; readonly ms: number }
  /** The connection ends without an answer, before or after the request had its effect. */
  | { readonly kind: 'drop'; readonly after: 'nothing' | 'effect' }
  /** E.g. 429 with `retryAfter` in seconds, or 503; `body` instead of Graph's usual one. No effect. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: number; readonly body?: object }
  /** A gateway's status, after the request had its effect. */
  | { readonly kind: 'late-status'; readonly status: number };

/** What a fault may look at. */
export interface GraphAsked {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
}

export interface GraphServerOptions {
  readonly tenantId?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly clock?: () => number;
  /** How notifications reach the gate. Default: by HTTP. */
  readonly post?: PostToGate;
  /** What becomes of each notification. Default: it arrives. */
  readonly disturb?: Disturb;
  /** What becomes of each request of the app. Default: it is answered. */
  readonly fault?: (asked: GraphAsked) => GraphFault | undefined;
  /** Signs validation tokens. */
  readonly key?: SigningKey;
  /** Every subscription gets this life in ms, whatever is asked for. */
  readonly lifeMs?: number;
}

export interface WrittenMessage {
  readonly text: string;
  readonly from?: string;
  /** Epoch milliseconds; now unless told otherwise. */
  readonly at?: number;
  /** Properties to be different. */
  readonly fields?: object;
}

/** Microsoft Graph and Entra towards one app. */
export interface FakeGraph {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly key: SigningKey;
  /** Answers a request as the server would, without a socket. */
  readonly fetch: typeof globalThis.fetch;
  /** Somebody writes; whoever has subscribed is told with the next `deliver`. Answers the message's id. */
  mail(mailbox: string, message: WrittenMessage & { readonly subject?: string }): string;
  chat(chat: string, message: WrittenMessage): string;
  post(team: string, channel: string, message: WrittenMessage & { readonly replyTo?: string }): string;
  /** An object changed: read, moved, edited. */
  touch(resource: string): void;
  /** Takes an object away. */
  remove(resource: string): void;
  /** The first object that fits, as the API shows it; changing it changes what is shown. */
  find(fits: (body: Readonly<Record<string, unknown>>) => boolean): Readonly<Record<string, unknown>> | undefined;
  /** Makes the object answer to another path too, as a mail does to the ids that change when it is moved. */
  alias(path: string, resource: string): void;
  /** No token given out so far is taken any more. */
  revokeTokens(): void;
  subscriptions(): readonly GraphSubscription[];
  lifecycle(subscription: GraphSubscription, event: string): void;
  /** Ends a subscription as its expiry does: without a word. */
  endSubscription(subscription: GraphSubscription): void;
  /** Makes a subscription as an administrator does, by hand. */
  subscribe(body: Readonly<Record<string, unknown>>): Promise<GraphResult>;
  /** Ends a subscription as Graph does, and says so. */
  removeSubscription(subscription: GraphSubscription): void;
  /** Mail the app sent, in order. */
  readonly replies: readonly GraphReply[];
  /** Requests of the app, those that failed included. */
  readonly calls: readonly GraphAsked[];
  /** Makes the next request of the app go wrong; several queue up. They come before `GraphServerOptions.fault`. */
  failNext(fault: GraphFault): void;
  readonly pushes: GraphPushes;
}

/**
 * Graph without sockets and without a clock of its own, for tests that let months pass.
 * @example const graph = createFakeGraph({ clock, post: (url, init) => app.request(url, init) });
 */
export function createFakeGraph(options: GraphServerOptions = {}): FakeGraph {
  const { tenantId = randomUUID(), clientId = randomUUID(), clientSecret = randomUUID() } = options;
  const { clock = Date.now, post = fetch, disturb = () => ({}), fault = () => undefined } = options;
  const key = options.key ?? createSigningKey();
  const objects = createGraphObjects();
  const subscriptions = createGraphSubscriptions({ clock, post, canonical: objects.canonical, lifeMs: options.lifeMs });
  const pushes = createGraphPushes({ clock, post, key, tenantId, clientId, disturb });
  const replies: GraphReply[] = [];
  const faults: GraphFault[] = [];

  const tell = (object: StoredObject, changeType: 'created' | 'updated'): void => {
    for (const subscription of subscriptions.list()) {
      if (!object.collections.includes(objects.canonical(subscription.resource))) continue;
      pushes.change(subscription, object, changeType);
    }
  };
  const write = (object: StoredObject): string => {
    objects.add(object);
    tell(object, 'created');
    // Exchange writes a new mail more than once.
    if (object.resource.startsWith('Users')) tell(object, 'updated');
    return String(object.body.id);
  };
  let count = 0;
  const nextId = (at: number): string => {
    count += 1;
    return String(at + count);
  };
  const found = (resource: string): StoredObject => {
    const object = objects.find(resource);
    if (object === undefined) throw new Error(`no such object: ${resource}`);
    return object;
  };

  const calls: GraphAsked[] = [];
  const tokens = new Set<string>();

  const grant = (form: URLSearchParams, path: string): GraphResult => {
    const isKnown =
      path === `/${tenantId}/oauth2/v2.0/token` &&
      form.get('grant_type') === 'client_credentials' &&
      form.get('client_id') === clientId &&
      form.get('client_secret') === clientSecret;
    if (!isKnown) return { status: 401, body: { error: 'invalid_client' } };
    const token = `graph-token-${randomUUID()}`;
    tokens.add(token);
    return { status: 200, body: { token_type: 'Bearer', expires_in: 3599, access_token: token } };
  };

  const serve = async (
    call: GraphAsked & { readonly query: URLSearchParams; readonly origin: string },
    authorization: string | null,
    text: string,
  ): Promise<GraphResult> => {
    if (call.path.endsWith('/oauth2/v2.0/token')) return grant(new URLSearchParams(text), call.path);
    if (call.path.endsWith('/discovery/v2.0/keys')) return { status: 200, body: { keys: [key.jwk] } };
    if (!tokens.has(authorization?.replace(/^Bearer /, '') ?? '')) return graphError(401, 'InvalidAuthenticationToken');
    const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return serveGraph(
      { ...call, body },
      { objects, subscriptions, clock, replies, onAdded: (object) => tell(object, 'created') },
    );
  };

  const fetchFrom = async (request: Request): Promise<Response> => {
    const { origin, pathname, searchParams: query } = new URL(request.url);
    const text = await request.text();
    const asked = { method: request.method, path: pathname.replace(/^\/v1\.0(?=\/)/, ''), headers: request.headers };
    calls.push(asked);
    const failing = faults.shift() ?? fault(asked);
    if (failing?.kind === 'delay') await delay(failing.ms);
    if (failing?.kind === 'drop' && failing.after === 'nothing') throw new TypeError('fetch failed');
    if (failing?.kind === 'status') {
      const headers = failing.retryAfter === undefined ? {} : { 'retry-after': String(failing.retryAfter) };
      return responseOf({ ...graphError(failing.status, 'TooBusy'), ...defined({ body: failing.body }), headers });
    }
    const result = await serve({ ...asked, query, origin }, request.headers.get('authorization'), text);
    if (failing?.kind === 'drop') throw new TypeError('fetch failed');
    return responseOf(failing?.kind === 'late-status' ? graphError(failing.status, 'GatewayTimeout') : result);
  };

  return {
    tenantId,
    clientId,
    clientSecret,
    key,
    pushes,
    replies,
    calls,
    fetch: async (input, init) => fetchFrom(new Request(input, init)),
    mail(mailbox, { text, from, subject, at = clock(), fields = {} }) {
      const id = `AAkALg${nextId(at)}=`;
      const people = defined({ from, subject });
      const body = { ...graphMail({ text, id, at, ...people }), ...fields };
      return write(mailObject(objects, { mailbox, body, at }));
    },
    chat(chat, { text, from, at = clock(), fields = {} }) {
      const body = {
        ...graphChatMessage({ text, id: nextId(at), at, ...defined({ from }) }),
        ...fields,
      };
      return write(chatObject(chat, body, at));
    },
    post(team, channel, { text, from, replyTo, at = clock() }) {
      const body = graphChatMessage({ text, id: nextId(at), at, ...defined({ from }) });
      return write(channelObject({ team, channel, ...defined({ replyTo }) }, body, at));
    },
    touch: (resource) => tell(found(resource), 'updated'),
    remove: (resource) => objects.remove(found(resource)),
    find: (fits) => objects.all().find(({ body }) => fits(body))?.body,
    alias: (path, resource) => objects.alias(path, found(resource)),
    revokeTokens: () => tokens.clear(),
    failNext: (fault) => void faults.push(fault),
    subscriptions: () => subscriptions.list(),
    lifecycle: (subscription, event) => pushes.lifecycle(subscription, event),
    endSubscription: ({ id }) => void subscriptions.end(id),
    subscribe: (body) => subscriptions.create(body),
    removeSubscription(subscription) {
      subscriptions.end(subscription.id);
      pushes.lifecycle(subscription, 'subscriptionRemoved');
    },
  };
}

const responseOf = ({ status, body, headers = {} }: GraphResult): Response =>
  new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });

/** The same behind a port of 127.0.0.1, in real time. */
export interface GraphServer extends FakeGraph {
  /** For `GRAPH_BASE_URL` and `GRAPH_AUTHORITY_URL`. */
  readonly url: string;
  /** For `GRAPH_JWKS_URL`. */
  readonly jwksUrl: string;
  /** From now on requests that fit are answered 503. */
  failWith(fits: (asked: GraphAsked) => boolean): void;
  stop(): Promise<void>;
}

/** How often notifications that are due go out, in ms. */
const DELIVER_MS = 20;

/**
 * A local server that behaves like Microsoft Graph and Entra towards an app: tokens, subscriptions with their handshakes
 * and limits, notifications with retries, lifecycle and rich ones, mail and Teams messages.
 * @example const graph = await startGraphServer(); process.env.GRAPH_BASE_URL = graph.url;
 */
export async function startGraphServer(options: GraphServerOptions = {}): Promise<GraphServer> {
  let isFailing: (asked: GraphAsked) => boolean = () => false;
  const graph = createFakeGraph({
    ...options,
    fault: (asked) => (isFailing(asked) ? { kind: 'status', status: 503 } : options.fault?.(asked)),
  });
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const body = chunks.length === 0 ? {} : { body: Buffer.concat(chunks) };
    try {
      const answer = await graph.fetch(`${url()}${request.url}`, { method: request.method ?? 'GET', headers, ...body });
      response
        .writeHead(answer.status, Object.fromEntries(answer.headers))
        .end(Buffer.from(await answer.arrayBuffer()));
    } catch {
      request.socket.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let sending = Promise.resolve();
  const timer = setInterval(() => {
    sending = sending.then(() => graph.pushes.deliver());
  }, DELIVER_MS);
  return {
    ...graph,
    url: url(),
    jwksUrl: `${url()}/common/discovery/v2.0/keys`,
    failWith: (fits) => {
      isFailing = fits;
    },
    async stop() {
      clearInterval(timer);
      await sending;
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
