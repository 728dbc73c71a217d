import { type Answer, type Delivery, WAIT_HEADER } from '../../channels/channel.ts';
import { exchangeWeb, type WebAnswer } from '../../net/web-fetch.ts';
import type { PassOn } from '../../server/hooks/receive.ts';
import { answerHeaders } from '../../server/http/headers.ts';

/** For what waits only for a receipt, in ms: below the 3 s that Slack and Graph wait. */
const RECEIPT_MS = 2_500;
/** Kept of the time that a sender waits, for the way back, in ms. */
const RETURN_MS = 500;
/** By so much the origin gives up before the edge does, in ms. */
const ORIGIN_MARGIN_MS = 500;
/** Bytes of an answer. */
const MAX_BYTES = 256 * 1024;

/** Where Cloudflare says who asked; a client's own header of this name never arrives. */
export const SOURCE_HEADER = 'cf-connecting-ip';

/**
 * What belongs to one connection (RFC 9110, 7.6.1), what Cloudflare adds, what would say who asked, and the length, which
 * `fetch` writes itself.
 */
const NOT_PASSED =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-length|expect|cookie|cf-.*|x-forwarded-.*|x-real-ip|true-client-ip|forwarded)$/;

/** What a gate writes into every answer itself, and what belongs to one connection. */
const NOT_RETURNED: ReadonlySet<string> = new Set([
  ...Object.keys(answerHeaders),
  ...['strict-transport-security', 'x-request-id', 'x-sallyport-outcome', 'set-cookie', 'date', 'server', 'alt-svc'],
  ...['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'content-encoding'],
]);

interface OriginRequest {
  readonly method: string;
  /** As they came from the sender. */
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly timeoutMs: number;
}

/**
 * Sends a request to the origin. Null when there is no answer, or one after which it has to be sent again: a redirect is not
 * followed, and is no answer to a sender.
 */
export async function askOrigin(
  origin: string,
  target: string,
  { headers: given, ...request }: OriginRequest,
  further: Readonly<Record<string, string>> = {},
): Promise<Answer | null> {
  const headers = new Headers();
  for (const [name, value] of given) if (!NOT_PASSED.test(name)) headers.set(name, value);
  const source = given.get(SOURCE_HEADER);
  if (source !== null) headers.set('x-forwarded-for', source);
  // After the sender's own, which must not say how long we wait.
  headers.delete(WAIT_HEADER);
  for (const [name, value] of Object.entries({ ...further, 'x-forwarded-proto': 'https' })) headers.set(name, value);
  const answer = await exchangeWeb(origin + target, { ...request, headers, maxBytes: MAX_BYTES }).catch(() => null);
  if (answer === null || answer.status >= 500 || answer.status === 429) return null;
  return answer.status >= 300 && answer.status < 400 ? null : answerOf(answer);
}

function answerOf({ status, headers: given, body }: WebAnswer): Answer {
  const headers = Object.fromEntries([...given].filter(([name]) => !NOT_RETURNED.has(name)));
  return { status, headers, ...(body.length > 0 && { body: new TextDecoder().decode(body) }) };
}

/** Passes deliveries on with the headers that they came with. `over`: bodies of more bytes are passed on. */
export const createPassOn = (origin: string, over: number): PassOn => ({
  over,
  send({ headers, body, url }: Delivery, waitMs) {
    const { pathname, search } = new URL(url);
    const timeoutMs = waitMs === undefined ? RECEIPT_MS : waitMs - RETURN_MS;
    // `headersOf` of the edge gives channels the headers of the request itself.
    const request = { method: 'POST', headers: headers as Headers, body, timeoutMs };
    const wait = { [WAIT_HEADER]: String(timeoutMs - ORIGIN_MARGIN_MS) };
    return askOrigin(origin, pathname + search, request, waitMs === undefined ? {} : wait);
  },
});
