import type { Crypto } from './crypto/crypto.ts';
import type { Conversation, Identity, InboundEvent } from './event.ts';
import type { JsonValue } from './json/json-text.ts';

/** Characters of base64url, 132 bits: the birthday bound stays below 1e-19 for 10^10 events. */
const DIGEST_CHARS = 22;

/** Crockford's alphabet: no I, L, O, U, so an id survives being read aloud. */
const BASE32 = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A value that takes part in an identity. `undefined` and '' are different values. */
export type IdentityPart = string | number | boolean | null | undefined;

/** Makes the keyed digests by which events and conversations are known. */
export interface Identifier {
  /** Digest of a labelled list of parts; lists that differ in any part, order or length never collide by construction. */
  digest(label: string, parts: readonly IdentityPart[]): string;
  identity(
    scope: readonly IdentityPart[],
    semantic: readonly IdentityPart[],
    content: readonly IdentityPart[],
  ): Identity;
  conversation(scope: readonly IdentityPart[], name: string): Conversation;
  /** A fresh event id: `ev_` + 48 bits of time + 80 random bits in Crockford base32. */
  eventId(atMs: number): string;
}

/** `idKey` is `SALLYPORT_ID_KEY`, 32 bytes; it is never rotated, because every remembered key hangs on it. */
export function createIdentifier(crypto: Crypto, idKey: Uint8Array): Identifier {
  const digest = (label: string, parts: readonly IdentityPart[]): string =>
    crypto.hmacText(idKey, encodeParts(label, parts)).slice(0, DIGEST_CHARS);
  return {
    digest,
    identity: (scope, semantic, content) => {
      const key = digest('key', [...scope, ...semantic]);
      return { key, fingerprint: digest('fingerprint', [key, ...content]) };
    },
    conversation: (scope, name) => ({ name, key: digest('conversation', [...scope, name]) }),
    eventId: (atMs) => `ev_${base32(atMs, 10)}${randomBase32(crypto, 16)}`,
  };
}

/** Less than every id of an event that was made at `atMs` (epoch) or later, greater than every id from before. */
export const eventIdsFrom = (atMs: number): string => `ev_${base32(atMs, 10)}`;

/** Length-prefixed, so that ('ab','c') and ('a','bc') differ, whatever characters the parts hold. */
function encodeParts(label: string, parts: readonly IdentityPart[]): string {
  let text = label;
  for (const part of parts) {
    const value = part === undefined ? 'u' : part === null ? 'n' : `${typeof part === 'string' ? 's' : 'v'}${part}`;
    text += `|${value.length}:${value}`;
  }
  return text;
}

function base32(value: number, length: number): string {
  let text = '';
  let rest = value;
  for (let i = 0; i < length; i += 1) {
    text = BASE32.charAt(rest % 32) + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}

function randomBase32(crypto: Crypto, length: number): string {
  let text = '';
  for (const byte of crypto.random(length)) text += BASE32.charAt(byte % 32);
  return text;
}

/**
 * The strings by which an event is routed, kept in order and attributed to somebody. They are stored as they are, so that
 * hiding them in the payload would hide nothing, and would take the ids out of it that agents look for.
 */
export function identifiersOf(
  event: Partial<Pick<InboundEvent, 'conversation' | 'author' | 'destination'>>,
): readonly string[] {
  const { conversation, author, destination } = event;
  return [
    ...(conversation === undefined ? [] : [conversation.name]),
    ...stringsOf(author?.id),
    ...stringsOf(destination),
  ];
}

/** Deeper than any destination is. */
const DEEPEST = 4;

function stringsOf(value: JsonValue | undefined, depth = 0): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null || depth >= DEEPEST) return [];
  return Object.values(value).flatMap((entry: JsonValue) => stringsOf(entry, depth + 1));
}
