import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { defined } from '../../core/defined.ts';

/** What goes wrong with a request. `method` narrows it to one Web API method, or `response_url`. */
export type SlackFault = { readonly method?: string } & (
  | { readonly kind: 'delay'; readonly ms: number }
  /** The connection closes without an answer, before or after the request had its effect. */
  | { readonly kind: 'drop'; readonly after: 'nothing' | 'effect' }
  /** An HTTP status from before the API, e.g. 429 with `retryAfter` in seconds, or 503. No effect. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: number }
  /** `{ "ok": false, "error": … }`. No effect. */
  | { readonly kind: 'error'; readonly error: string }
  /** A 200 that is not Slack's, such as a proxy's page, after the request had its effect. */
  | { readonly kind: 'garbage'; readonly body: string }
);

/** Something that was posted and kept. */
export interface SlackPost {
  readonly via: 'chat.postMessage' | 'response_url';
  /** The channel, or the path of the response URL. */
  readonly channel: string;
  readonly text: string;
  readonly threadTs?: string;
  readonly ts?: string;
  /** All arguments, as sent. */
  readonly arguments: Readonly<Record<string, unknown>>;
}

export interface SlackServerOptions {
  /** The only token that is let in. Absent: every one. */
  readonly token?: string;
  readonly botUserId?: string;
  readonly botId?: string;
  readonly appId?: string;
  readonly teamId?: string;
  /** Epoch ms; makes the `ts` of what is posted. */
  readonly clock?: () => number;
  /** False: no metadata is ever shown, as to an app that lacks the scope for it. */
  readonly showsMetadata?: boolean;
  /** Scopes of the token, as `x-oauth-scopes` names them. Absent: the header is. */
  readonly scopes?: readonly string[];
}

export interface SlackServer {
  /** The base of the Web API, for `SLACK_API_URL`. */
  readonly url: string;
  /** A fresh `response_url`. */
  responseUrl(): string;
  /** Everything posted, in order. */
  readonly posts: readonly SlackPost[];
  /** The methods called, in order, those that failed included. */
  readonly calls: readonly string[];
  /** The bearer tokens that came with calls, in order, those that were refused included. */
  readonly tokens: readonly string[];
  /** Keeps a file as if somebody had uploaded it, for holders of a token; answers how a message names it (`files`). */
  addFile(file: { readonly name: string; readonly mimetype: string; readonly content: string }): SlackFileInfo;
  /** Makes the next matching request go wrong; several queue up. */
  failNext(fault: SlackFault): void;
  /** Posts as the bot, or as who `more` says, past all faults; answers the `ts`. */
  say(
    channel: string,
    text: string,
    more?: { thread_ts?: string; metadata?: unknown; user?: string; bot_id?: string },
  ): string;
  stop(): Promise<void>;
}

/** A file as a message names it. */
export interface SlackFileInfo {
  readonly id: string;
  readonly name: string;
  readonly mimetype: string;
  readonly size: number;
  readonly mode: 'hosted';
  readonly url_private: string;
}

interface World extends Required<Omit<SlackServerOptions, 'token' | 'clock' | 'scopes'>> {
  readonly token: string | undefined;
  readonly scopes: readonly string[] | undefined;
  readonly store: SlackStore;
  readonly posts: SlackPost[];
  /** Of files, by path. */
  readonly files: Map<string, { readonly mimetype: string; readonly content: string }>;
}

/**
 * A local server that behaves like Slack's Web API towards a bot: `auth.test`, `chat.postMessage`,
 * `conversations.history` and `conversations.replies` with metadata, and `response_url`s.
 * @example const slack = await startSlackServer(); process.env.SLACK_API_URL = slack.url;
 */
export async function startSlackServer(options: SlackServerOptions = {}): Promise<SlackServer> {
  const world: World = {
    token: undefined,
    scopes: undefined,
    botUserId: 'U0BOT',
    botId: 'B0BOT',
    appId: 'A0SALLYPORT',
    teamId: 'T0SALLYPORT',
    showsMetadata: true,
    ...options,
    store: createSlackStore(options.clock ?? Date.now),
    posts: [],
    files: new Map(),
  };
  const faults: SlackFault[] = [];
  const calls: string[] = [];
  const tokens: string[] = [];
  const server = createServer((request, response) => {
    const bearer = request.headers.authorization?.replace(/^Bearer /, '');
    if (bearer !== undefined) tokens.push(bearer);
    serve(request, response, world, faults, calls).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let urls = 0;
  return {
    url: `${origin}/api/`,
    responseUrl: () => {
      urls += 1;
      return `${origin}/response/${urls}`;
    },
    posts: world.posts,
    calls,
    tokens,
    addFile({ name, mimetype, content }) {
      const id = `F${String(world.files.size + 1).padStart(8, '0')}`;
      const path = `/files-pri/${world.teamId}-${id}/${encodeURIComponent(name)}`;
      world.files.set(path, { mimetype, content });
      const size = Buffer.byteLength(content);
      return { id, name, mimetype, size, mode: 'hosted', url_private: origin + path };
    },
    failNext: (fault) => void faults.push(fault),
    say: (channel, text, more = {}) => world.store.add(channel, { ...author(world), text, ...more }).ts,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  world: World,
  faults: SlackFault[],
  calls: string[],
): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://slack.invalid').pathname;
  const isFile = path.startsWith('/files-pri/');
  const method = path.startsWith('/api/') ? path.slice('/api/'.length) : isFile ? 'file' : 'response_url';
  const body = await readText(request);
  calls.push(method);
  const at = faults.findIndex((one) => one.method === undefined || one.method === method);
  const fault = at === -1 ? undefined : faults.splice(at, 1)[0];
  if (fault?.kind === 'delay') await delay(fault.ms);
  if (fault?.kind === 'drop' && fault.after === 'nothing') return void request.socket.destroy();
  if (fault?.kind === 'status') return refuse(response, fault.status, fault.retryAfter);
  if (fault?.kind === 'error') return answer(response, { ok: false, error: fault.error });
  if (isFile) return serveFile(path, request, response, world);
  if (world.scopes !== undefined && method !== 'response_url') {
    response.setHeader('x-oauth-scopes', world.scopes.join(','));
  }
  const result = method === 'response_url' ? respond(path, body, world) : call(method, request, body, world);
  if (fault?.kind === 'drop') return void request.socket.destroy();
  if (fault?.kind === 'garbage') return void response.end(fault.body);
  return typeof result === 'string' ? void response.end(result) : answer(response, result);
}

/** Who has no token that counts gets Slack's page for signing in, with 200. */
function serveFile(path: string, request: IncomingMessage, response: ServerResponse, world: World): void {
  const file = world.files.get(path);
  const token = request.headers.authorization?.replace(/^Bearer /, '');
  if (token === undefined || (world.token !== undefined && token !== world.token)) {
    return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>Sign in</html>');
  }
  if (file === undefined) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': file.mimetype }).end(file.content);
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function refuse(response: ServerResponse, status: number, retryAfter: number | undefined): void {
  response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }).end();
}

const answer = (response: ServerResponse, body: object): void =>
  void response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));

function respond(path: string, body: string, { posts }: World): string {
  const options = JSON.parse(body) as Record<string, unknown>;
  posts.push({ via: 'response_url', channel: path, text: String(options.text), arguments: options });
  return 'ok';
}

function call(method: string, request: IncomingMessage, body: string, world: World): object {
  const token = request.headers.authorization?.replace(/^Bearer /, '');
  if (token === undefined) return { ok: false, error: 'not_authed' };
  if (world.token !== undefined && token !== world.token) return { ok: false, error: 'invalid_auth' };
  const options = Object.fromEntries(new URLSearchParams(body));
  switch (method) {
    case 'auth.test':
      return { ok: true, user_id: world.botUserId, bot_id: world.botId, team_id: world.teamId, user: 'sallyport' };
    case 'chat.postMessage':
      return post(options, world);
    case 'conversations.history':
      return list(options, undefined, world);
    case 'conversations.replies':
      return options.ts ? list(options, options.ts, world) : { ok: false, error: 'thread_not_found' };
    default:
      return { ok: false, error: 'unknown_method' };
  }
}

function post(options: Record<string, string>, world: World): object {
  const { channel, text, thread_ts: threadTs } = options;
  if (!channel) return { ok: false, error: 'channel_not_found' };
  if (!text) return { ok: false, error: 'no_text' };
  const metadata: unknown = options.metadata === undefined ? undefined : JSON.parse(options.metadata);
  const attachments: unknown = options.attachments === undefined ? undefined : JSON.parse(options.attachments);
  const inThread = defined({ thread_ts: threadTs });
  const message = world.store.add(channel, {
    ...author(world),
    text,
    ...inThread,
    ...defined({ metadata, attachments }),
  });
  const { ts } = message;
  world.posts.push({
    via: 'chat.postMessage',
    channel,
    text,
    ts,
    ...defined({ threadTs }),
    arguments: { ...options, metadata, ...defined({ attachments }) },
  });
  return { ok: true, channel, ts, message };
}

function list(options: Record<string, string>, thread: string | undefined, world: World): object {
  if (!options.channel) return { ok: false, error: 'channel_not_found' };
  const page = world.store.page({
    channel: options.channel,
    ...defined({ thread }),
    oldest: Number(options.oldest ?? 0),
    limit: Number(options.limit ?? 100),
    cursor: options.cursor ?? '',
    withMetadata: world.showsMetadata && ['1', 'true'].includes(options.include_all_metadata ?? ''),
  });
  return { ok: true, ...page };
}

const author = ({ botUserId, botId, appId }: World) => ({ user: botUserId, bot_id: botId, app_id: appId });

/** A message as Slack keeps it, with the fields its Web API returns. */
interface SlackStoredMessage {
  readonly type: 'message';
  readonly ts: string;
  readonly thread_ts?: string;
  readonly text: string;
  readonly user: string;
  readonly bot_id: string;
  readonly app_id: string;
  readonly metadata?: unknown;
  readonly attachments?: unknown;
}

interface SlackPage {
  readonly messages: readonly SlackStoredMessage[];
  readonly has_more: boolean;
  readonly response_metadata: { readonly next_cursor: string };
}

interface SlackPageQuery {
  readonly channel: string;
  /** A thread's root: its replies, oldest first. Absent: what stands in the channel itself, newest first. */
  readonly thread?: string;
  readonly oldest: number;
  readonly limit: number;
  readonly cursor: string;
  readonly withMetadata: boolean;
}

interface SlackStore {
  add(channel: string, message: Omit<SlackStoredMessage, 'ts' | 'type'>): SlackStoredMessage;
  page(query: SlackPageQuery): SlackPage;
}

/** The messages of a workspace, by channel, as `conversations.history` and `conversations.replies` page through them. */
function createSlackStore(clock: () => number): SlackStore {
  const channels = new Map<string, SlackStoredMessage[]>();
  let counter = 0;
  return {
    add(channel, message) {
      counter += 1;
      const ts = `${Math.floor(clock() / 1000)}.${String(counter).padStart(6, '0')}`;
      const stored: SlackStoredMessage = { type: 'message', ts, ...message };
      channels.set(channel, [...(channels.get(channel) ?? []), stored]);
      return stored;
    },
    page({ channel, thread, oldest, limit, cursor, withMetadata }) {
      const all = (channels.get(channel) ?? []).filter((one) => Number(one.ts) > oldest);
      const found =
        thread === undefined
          ? all.filter((one) => one.thread_ts === undefined).reverse()
          : all.filter((one) => one.thread_ts === thread || one.ts === thread);
      const start = cursor === '' ? 0 : Number(cursor.slice('page:'.length));
      const end = start + limit;
      const isMore = end < found.length;
      return {
        messages: found.slice(start, end).map((one) => (withMetadata ? one : withoutMetadata(one))),
        has_more: isMore,
        response_metadata: { next_cursor: isMore ? `page:${end}` : '' },
      };
    },
  };
}

function withoutMetadata({ metadata: _, ...rest }: SlackStoredMessage): SlackStoredMessage {
  return rest;
}
