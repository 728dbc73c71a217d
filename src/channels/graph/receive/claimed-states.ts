import { toUtf8 } from '../../../core/crypto/encoding.ts';
import { MAX_STATE_CHARS } from './verify.ts';

/** A body of more bytes is parsed only if one of its items could be authentic; 8 KiB are parsed within a millisecond. */
const PARSED_UNSEEN = 8 * 1024;

/** Graph puts few subscriptions into one request; a request of a forger costs us a digest for each state it makes up. */
const MAX_STATES = 64;

const MEMBER = toUtf8('"clientState"');
const ENVELOPE = toUtf8('"value"');
const [QUOTE, COLON, BACKSLASH, BRACE] = [0x22, 0x3a, 0x5c, 0x7b];
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;

/** What a look at the bytes of a body tells: parsing 4 MiB of nested JSON takes half a second, looking at it 2 ms. */
export type Glance =
  /** It has to be parsed: it is small, or a state in it is one that `isExpected` knows. */
  | 'parse'
  /** Some of it looks like a notification, and none of it is authentic. */
  | 'forged'
  /** It is no notification at all. */
  | 'unparsable';

/**
 * Looks for values of `clientState` in a body without parsing it. It finds those that its parser would find, unless the
 * member's name is written with escapes, which Graph does not do. The bytes that are searched for are no secret.
 */
export function glance(body: Uint8Array, isExpected: (state: string) => boolean): Glance {
  if (body.length <= PARSED_UNSEEN) return 'parse';
  const seen = new Set<string>();
  for (let at = find(body, MEMBER, 0); at >= 0 && seen.size < MAX_STATES; at = find(body, MEMBER, at + 1)) {
    const state = stringAfter(body, at + MEMBER.length);
    if (state === null || seen.has(state)) continue;
    if (isExpected(state)) return 'parse';
    seen.add(state);
  }
  let first = 0;
  while (isSpace(body[first])) first += 1;
  return body[first] === BRACE && find(body, ENVELOPE, first) >= 0 ? 'forged' : 'unparsable';
}

/** The string behind a member's name; null for anything else, and for one that is too long for a state. */
function stringAfter(body: Uint8Array, from: number): string | null {
  let at = from;
  while (isSpace(body[at])) at += 1;
  if (body[at] !== COLON) return null;
  at += 1;
  while (isSpace(body[at])) at += 1;
  if (body[at] !== QUOTE) return null;
  const start = at;
  // Six bytes are the longest spelling of a character.
  const end = Math.min(body.length, start + 2 + 6 * MAX_STATE_CHARS);
  for (at += 1; at < end && body[at] !== QUOTE; at += 1) if (body[at] === BACKSLASH) at += 1;
  if (body[at] !== QUOTE) return null;
  try {
    return JSON.parse(new TextDecoder().decode(body.subarray(start, at + 1))) as string;
  } catch {
    return null;
  }
}

/** The place of some bytes in others, from a place on; -1 if they are not there. */
function find(body: Uint8Array, wanted: Uint8Array, from: number): number {
  const [first = 0] = wanted;
  for (let at = body.indexOf(first, from); at >= 0; at = body.indexOf(first, at + 1)) {
    let same = 1;
    while (same < wanted.length && body[at + same] === wanted[same]) same += 1;
    if (same === wanted.length) return at;
  }
  return -1;
}
