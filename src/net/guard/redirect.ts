import { blocked } from './reasons.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What travels on one hop, besides the URL. Header names are lower case. */
export interface Message {
  readonly method: Method;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

/** RFC 9110, 15.4: the statuses a client follows by itself. 300 and 304 are answers. */
const followed = new Set([301, 302, 303, 307, 308]);
export const isRedirect = (status: number): boolean => followed.has(status);

/** RFC 9110, 15.4, third step: describe a body that no longer travels. */
const bodyHeaders = new Set(['content-type', 'content-encoding', 'content-language', 'content-location', 'digest']);

/**
 * What may follow a redirect to another origin. A list of what is harmless rather than of what is secret: API keys and
 * webhook signatures have no common header name.
 */
const anonymousHeaders = new Set(['accept', 'accept-language', 'user-agent', ...bodyHeaders]);

const keep = (headers: Message['headers'], wanted: (name: string) => boolean): Message['headers'] =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => wanted(name)));

/**
 * The message for the next hop. 303 turns everything but HEAD into GET, 301 and 302 turn POST into GET (RFC 9110,
 * 15.4.2 to 15.4.4); 307 and 308 keep method and body.
 * @throws OutboundError `redirect-carries-body` when a body would go to an origin it was not written for.
 */
export function afterRedirect(message: Message, status: number, from: URL, to: URL): Message {
  const isForeign = from.origin !== to.origin;
  const next = becomesGet(message.method, status) ? withoutBody(message) : message;
  if (!isForeign) return next;
  if (next.body !== undefined) throw blocked('redirect-carries-body');
  return { ...next, headers: keep(next.headers, (name) => anonymousHeaders.has(name)) };
}

const becomesGet = (method: Method, status: number): boolean =>
  status === 303 ? method !== 'HEAD' : method === 'POST' && (status === 301 || status === 302);

const withoutBody = ({ headers }: Message): Message => ({
  method: 'GET',
  headers: keep(headers, (name) => !bodyHeaders.has(name)),
  body: undefined,
});
