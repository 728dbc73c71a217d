import type { Context, Hono } from 'hono';
import { toHex } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';
import { problem } from './respond.ts';

export type App = Hono;
export type AppContext = Context;

/** The same answer for an unknown path, an unknown tenant and a channel that is not configured. */
export const unknownRoute = (requestId: string): Response =>
  problem(new SallyportError('ERR_UNKNOWN_ROUTE', ''), requestId);

/** Unique over processes by their random prefix, and cheap: a counter instead of randomness for each request. */
export function createRequestIds(seed: Uint8Array): () => string {
  const prefix = toHex(seed);
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}

/**
 * A path of named segments, with or without a slash at its end. `%` must encode what RFC 3986 does not let stand there as
 * it is: no letter, digit, `-`, `.`, `_` or `~`, and neither a slash, a backslash nor a control character.
 */
const PLAIN_PATH =
  /^(?:\/(?!\.{1,2}(?:\/|$))(?:[\w.~!$&'()*+,;=:@-]|%(?:2[0-9a-c]|3[a-f]|40|5[bde]|60|7[b-d]|[89a-f][0-9a-f]))+)+\/?$/i;

/** RFC 9112, 3.2.2: a server has to take a whole URL as well. Its host says nothing about who is asked. */
const ORIGIN = /^https?:\/\/[^/?#]*/;

/**
 * Whether a request target names a path by its only spelling. URL parsers turn `/hooks/../events`, `/%65vents` and
 * `/hooks\events` into `/events`, so that what a proxy lets pass as one path would be served as another.
 */
export function isPlainTarget(target: string): boolean {
  const path = target.startsWith('/') ? target : target.replace(ORIGIN, '');
  const query = path.indexOf('?');
  return PLAIN_PATH.test(query === -1 ? path : path.slice(0, query));
}
