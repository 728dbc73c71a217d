import { SallyportError } from '../../../core/errors.ts';
import type { Delivery, Received } from '../../channel.ts';

/** Graph's tokens have about 120 characters; this is room for ten of them and bounds what we echo. */
const MAX_CHARS = 4096;

/**
 * Graph compares the echo exactly, so nothing may be escaped. What could become markup, or another line, is refused
 * instead; Graph never sends it. U+FFFD stands where the URL held no UTF-8.
 */
const UNFIT = /[<\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/;

/**
 * Answers a request without a body: the endpoint validation of learn.microsoft.com/graph/change-notifications-delivery-webhooks.
 * It proves nothing and anybody may ask.
 * @throws SallyportError ERR_BODY_UNPARSABLE unless it carries exactly one token that Graph could have sent
 */
export function answerHandshake({ url }: Pick<Delivery, 'url'>): Received {
  // Form decoding: Graph writes spaces as '+', which `decodeURIComponent` would leave.
  const [token, ...more] = queryOf(url).getAll('validationToken');
  if (token === undefined || token === '' || more.length > 0 || token.length > MAX_CHARS || UNFIT.test(token)) {
    throw new SallyportError('ERR_BODY_UNPARSABLE', 'neither a notification nor a validation request');
  }
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
  return { events: [], refused: [], answer: { status: 200, outcome: 'handshake', body: token, headers } };
}

const queryOf = (url: string): URLSearchParams =>
  new URLSearchParams(url.includes('?') ? url.slice(url.indexOf('?')) : '');
