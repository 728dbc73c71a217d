import type { Client, Context, Middleware, ResponseType } from '@microsoft/microsoft-graph-client';
import { defined } from '../../../core/defined.ts';
import { type ErrorDetail, SallyportError } from '../../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../core/json/json-text.ts';
import { linkSignals } from '../../../core/linked-signal.ts';
import { trimEndOf } from '../../../core/text/cap.ts';
import { parseUrl } from '../../../core/text/url.ts';
import { detailOf } from '../../../net/call-outcome.ts';
import type { AccessTokens } from '../../../net/client-credentials.ts';
import { retryAfterMs } from '../../../net/retry-after.ts';
import { type PostCall, VENDOR_CALL_MS } from '../../channel.ts';

export interface GraphRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the version, each id encoded: `/users/{id}/messages`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Parts of the `Prefer` header. */
  readonly prefer?: readonly string[];
  readonly body?: JsonObject;
  readonly signal: AbortSignal;
  /** The request posts a reply: called when the token is there, and the request is limited by this call alone. */
  readonly begin?: () => Promise<PostCall>;
}

/** What Graph said, whatever its status. */
export interface GraphAnswer {
  readonly status: number;
  /** Empty when the answer had no JSON object in it. */
  readonly body: JsonObject;
  /** `Retry-After` in milliseconds. */
  readonly retryAfterMs: number | undefined;
}

/**
 * Asks Graph once: nothing is repeated here, because a gateway's 504 says nothing about what became of a POST.
 * @throws SallyportError ERR_SOURCE_UNAVAILABLE, or ERR_SOURCE_REJECTED when Entra does not know the credentials; as
 *   `begin`; ERR_OUTBOUND_FAILED when no answer came: `failureOfThrown` tells whether what was asked may have happened
 */
export type GraphApi = (request: GraphRequest) => Promise<GraphAnswer>;

export interface GraphApiDeps {
  /** Configured, e.g. `https://graph.microsoft.com/`. */
  readonly baseUrl: string;
  readonly tokens: AccessTokens;
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds one call may take, unless it posts a reply. Default 10 s. */
  readonly timeoutMs?: number;
}

/** A mail's body may be large; 8 MiB of text is beyond what any model reads. */
const MAX_BYTES = 8 * 1024 * 1024;

/** `ResponseType.RAW`: the response as `fetch` gave it. */
const RAW = 'raw' as ResponseType;

/** Ids that survive a move to another folder (learn.microsoft.com/graph/outlook-immutable-id). */
export const IMMUTABLE_IDS = 'IdType="ImmutableId"';

/** Graph's client: it costs a worker 60 ms and 8 MB, and a process that asks Graph nothing does without it. */
export const loadGraphClient = () => import('@microsoft/microsoft-graph-client');

export function createGraphApi({ baseUrl, tokens, fetch, timeoutMs = VENDOR_CALL_MS }: GraphApiDeps): GraphApi {
  const { origin, pathname } = new URL(baseUrl);
  // The client puts the version between host and path; an address that names one already means that one.
  const path = trimEndOf(pathname, '/');
  const namedVersion = ['v1.0', 'beta'].find((version) => path.endsWith(`/${version}`));
  const prefix = namedVersion === undefined ? path : path.slice(0, -namedVersion.length - 1);
  const defaultVersion = namedVersion ?? 'v1.0';
  let opened: Promise<Client> | undefined;
  const open = async (): Promise<Client> => {
    const sdk = await loadGraphClient();
    // Its own chain would repeat a POST after a 504 and sends no token to a local server.
    const middleware = createSender(origin, fetch);
    return sdk.Client.initWithMiddleware({ baseUrl: `${origin}${prefix}/`, defaultVersion, middleware });
  };
  return async ({ method, path, query = {}, prefer = [], body, signal, begin }) => {
    const token = await tokenOf(tokens);
    opened ??= open();
    const client = await opened;
    const call = await begin?.();
    const sending: Sending = { fence: call?.fence };
    const limited = call === undefined ? linkSignals([signal], { ms: timeoutMs }) : null;
    const request = client
      .api(path)
      // The client joins queries without encoding them.
      .query(Object.fromEntries(Object.entries(query).map(([name, value]) => [name, encodeURIComponent(value)])))
      .headers({ authorization: `Bearer ${token}`, ...(prefer.length > 0 && { prefer: prefer.join(', ') }) })
      .option('signal', limited?.signal ?? call?.signal)
      .option(SENDING, sending)
      .responseType(RAW);
    try {
      const response: Response = await perform(request, method, body);
      if (response.status === 401) tokens.drop(token);
      const text = await readCapped(response, MAX_BYTES);
      return {
        status: response.status,
        body: parse(text),
        retryAfterMs: retryAfterMs(response.headers.get('retry-after')),
      };
    } catch (cause) {
      // The client puts errors of its own in place of what was thrown.
      throw new SallyportError('ERR_OUTBOUND_FAILED', 'Graph gave no answer', { cause: sending.thrown ?? cause });
    } finally {
      limited?.release();
    }
  };
}

/** Goes through the client to the sender, and comes back with what `fetch` threw. */
interface Sending {
  readonly fence: PostCall['fence'] | undefined;
  thrown?: unknown;
}
const SENDING = 'sallyportSending';

type ClientRequest = ReturnType<Client['api']>;

function perform(request: ClientRequest, method: GraphRequest['method'], body: JsonObject = {}): Promise<Response> {
  switch (method) {
    case 'GET':
      return request.get();
    case 'POST':
      return request.post(body);
    case 'PATCH':
      return request.patch(body);
    case 'DELETE':
      return request.delete();
  }
}

/** Carries requests for the configured host, and no others: they hold the token. */
const createSender = (origin: string, fetch: typeof globalThis.fetch): Middleware => ({
  async execute(context: Context) {
    const url = String(context.request);
    if (new URL(url).origin !== origin) throw new Error('a Graph request for another host');
    const { [SENDING]: sending, ...options } = (context.options ?? {}) as RequestInit & { [SENDING]?: Sending };
    sending?.fence?.();
    try {
      context.response = await fetch(url, { ...options, redirect: 'manual' });
    } catch (error) {
      if (sending !== undefined) sending.thrown = error;
      throw error;
    }
  },
});

function parse(text: string): JsonObject {
  try {
    const value: JsonValue = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

async function tokenOf(tokens: AccessTokens): Promise<string> {
  const outcome = await tokens.get();
  if (outcome.kind === 'ok') return outcome.value;
  if (outcome.kind === 'rejected') {
    const text = 'Entra refuses GRAPH_CLIENT_ID and GRAPH_CLIENT_SECRET';
    throw new SallyportError('ERR_SOURCE_REJECTED', text, detailOf(outcome));
  }
  throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Entra gave no token', detailOf(outcome));
}

/** The body as text. @throws Error when it is longer than `maxBytes`, so that a hostile answer cannot fill the memory */
async function readCapped(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return '';
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let text = '';
  let size = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      throw new Error('the answer is too large');
    }
    text += decoder.decode(read.value, { stream: true });
  }
  return text + decoder.decode();
}

export const isOk = ({ status }: GraphAnswer): boolean => status >= 200 && status < 300;

/**
 * Refusals that pass: throttling, a token that was revoked (the next call brings another one), a request that did not
 * arrive in time, a mailbox that is being moved (423), and whatever a server could not do.
 */
const passing: ReadonlySet<number> = new Set([401, 408, 423, 429]);

/** The error of a reading call that was refused; 404 and 409 mean something to most callers and come before this. */
function sourceError(answer: GraphAnswer): SallyportError {
  const { status } = answer;
  if (passing.has(status) || status >= 500) {
    return new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph cannot say now', detailOfAnswer(answer));
  }
  const text = 'Graph refuses: permissions or the request are wrong';
  return new SallyportError('ERR_SOURCE_REJECTED', text, detailOfAnswer(answer));
}

/** Graph's codes are one word, such as `ErrorAccessDenied`, at times with a part before it (`Request_BadRequest`). */
const CODE = /^[A-Za-z_.]{1,64}$/;

/** What an error keeps of a refusal: Graph's code for it, its status and how long to wait. */
export function detailOfAnswer({ status, body, retryAfterMs }: GraphAnswer): ErrorDetail {
  const code = isJsonObject(body.error) ? body.error.code : undefined;
  const reason = typeof code === 'string' && CODE.test(code) ? code : `http_${status}`;
  return { reason, status, ...defined({ retryAfterMs }) };
}

/** What a reading call threw, as its reader reports it. */
function asSourceError(error: unknown): unknown {
  if (!(error instanceof SallyportError) || error.code !== 'ERR_OUTBOUND_FAILED') return error;
  return new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph could not be reached', { cause: error });
}

/**
 * Asks where asking again does no harm. Answers 2xx and those the caller has a use for.
 * @throws SallyportError ERR_SOURCE_UNAVAILABLE, ERR_SOURCE_REJECTED
 */
export async function ask(api: GraphApi, request: GraphRequest, useful: readonly number[] = []): Promise<GraphAnswer> {
  const answer = await api(request).catch((error: unknown) => {
    throw asSourceError(error);
  });
  if (isOk(answer) || useful.includes(answer.status)) return answer;
  throw sourceError(answer);
}

/** A mailbox of a month does not have more; a server that pages for ever must not keep a worker. */
const MAX_PAGES = 2_000;

/** The pages of a collection, in order. @throws SallyportError ERR_SOURCE_UNAVAILABLE, ERR_SOURCE_REJECTED */
export async function* pagesOf(
  api: GraphApi,
  first: Omit<GraphRequest, 'method' | 'body'>,
): AsyncGenerator<JsonObject[]> {
  let request: GraphRequest | null = { ...first, method: 'GET' };
  for (let page = 0; request !== null && page < MAX_PAGES; page += 1) {
    const { body }: { body: JsonObject } = await ask(api, request);
    const { value } = body;
    yield Array.isArray(value) ? value.filter(isJsonObject) : [];
    const next = pathOf(body['@odata.nextLink']);
    request = next === null ? null : { ...first, method: 'GET', query: {}, path: next };
  }
}

/** Of the link only what stands below the version: the host stays the configured one, which alone gets our token. */
function pathOf(link: unknown): string | null {
  const url = typeof link === 'string' ? parseUrl(link) : null;
  if (url === null) return null;
  const { pathname, search } = url;
  const parts = pathname.split('/');
  const version = parts.findIndex((part) => part === 'v1.0' || part === 'beta');
  const below = version === -1 ? [] : parts.slice(version + 1);
  return below.join('') === '' ? null : `/${below.join('/')}${search}`;
}
