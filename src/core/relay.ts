import type { Crypto } from './crypto/crypto.ts';
import { toBase64Url } from './crypto/encoding.ts';
import { type ErrorCode, SallyportError } from './errors.ts';
import type { InboundEvent } from './event.ts';

/**
 * The relay protocol, version 1: how the edge hands events that it has accepted to Node. Both sides use this file; it is
 * portable. docs/edge.md describes the protocol.
 */

/** The only path a relay URL may have. It is part of what is signed. */
export const RELAY_PATH = '/relay';

/** Of the header and of `v` in bodies. */
const RELAY_VERSION = 1;

/** Events of a batch. */
export const MAX_RELAY_EVENTS = 100;

/** Bytes of a batch of more than one event. */
export const MAX_RELAY_BATCH_BYTES = 1_000_000;

/**
 * Bytes of a request's body: one event can be larger than a batch should be, as a Graph delivery has up to 4 MiB. A body
 * over the limit is refused before its signature can be checked, so that answer is never signed: senders keep to the limit
 * themselves.
 */
export const MAX_RELAY_BODY_BYTES = 4.5 * 1024 * 1024;

/** Copies of one event that its `deliveries` can become: they are a statistic, and each costs a step in the store. */
export const MAX_RELAY_COPIES = 20;

/** Seconds by which a request's timestamp may differ from the receiver's clock. */
export const RELAY_TOLERANCE_SECONDS = 300;

/** Names of the headers, in lower case. */
export const relayHeader = {
  version: 'x-sallyport-relay-version',
  timestamp: 'x-sallyport-relay-timestamp',
  nonce: 'x-sallyport-relay-nonce',
  key: 'x-sallyport-relay-key',
  signature: 'x-sallyport-relay-signature',
} as const;

/** An event as the edge accepted it. */
export interface RelayedEvent {
  /** Epoch milliseconds at which the edge accepted it. Its window runs from then. */
  readonly acceptedAt: number;
  /** Deliveries that the edge has seen of it, this one included. */
  readonly deliveries: number;
  readonly event: InboundEvent;
}

/** The body of a request: events of one shard, in the order of their acceptance. */
export interface RelayBatch {
  readonly v: 1;
  readonly tenant: string;
  /** `{tenant}/{number}`. */
  readonly shard: string;
  /** When the shard's storage was made, and a random part (`createRelayEpoch`). */
  readonly epoch: string;
  /** 1, 2, 3 …; stored before it is sent, and never used again in the epoch. */
  readonly attempt: number;
  readonly events: readonly RelayedEvent[];
}

/**
 * What may become of an event, and what its sender does with the row that holds it. Those that are removed have been taken
 * over by Node: `ignored` is one that no agent answers, and that holds no identity.
 */
export const relayOutcomes = {
  accepted: 'remove',
  duplicate: 'remove',
  conflict: 'remove',
  ignored: 'remove',
  full: 'keep',
  rejected: 'park',
} as const;
export type RelayOutcome = keyof typeof relayOutcomes;

/** Why an event was rejected. `secret_in_id`: a string by which it is routed holds a secret. */
const relayReasons = ['malformed', 'foreign_tenant', 'channel_unconfigured', 'secret_in_id'] as const;
export type RelayReason = (typeof relayReasons)[number];

/** What became of one event. Results stand in the order of the batch's events, one for each. */
export interface RelayResult {
  /** The event's id as it was sent; '' where a rejected event has none of the right form. */
  readonly id: string;
  readonly outcome: RelayOutcome;
  /** Of a rejected event. */
  readonly reason?: RelayReason;
}

/** The body of a 200. */
export interface RelayAnswer {
  readonly v: 1;
  readonly results: readonly RelayResult[];
}

/** The body of any other status. */
export interface RelayFailure {
  readonly v: 1;
  readonly code: ErrorCode;
}

interface RelayKey {
  /** Eight characters by which people tell keys apart. It decides nothing. */
  readonly id: string;
  readonly mac: Uint8Array;
}

/** The first signs, all of them verify. */
export type RelayKeys = readonly [RelayKey, ...RelayKey[]];

const KEY_BYTES = 32;
const KEY_ID_CHARS = 8;

/** `keys` are those of `SALLYPORT_RELAY_KEY`. @throws SallyportError ERR_CONFIG_INVALID without a key, or for one that has not 32 bytes */
export function createRelayKeys(keys: readonly Uint8Array[], crypto: Crypto): RelayKeys {
  const [first, ...others] = keys.map((key): RelayKey => {
    if (key.length !== KEY_BYTES) throw new SallyportError('ERR_CONFIG_INVALID', 'a relay key must have 32 bytes');
    return {
      id: crypto.hmacText(key, 'sallyport-relay.v1.id').slice(0, KEY_ID_CHARS),
      mac: crypto.hmacSha256(key, 'sallyport-relay.v1.mac'),
    };
  });
  if (first === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_RELAY_KEY: is required');
  return [first, ...others];
}

/** 16 bytes in base64url. */
const NONCE_BYTES = 16;
const NONCE = /^[\w-]{22}$/;
/** Epoch seconds from 2001 to 2286, in their one spelling. */
const TIMESTAMP = /^[1-9]\d{9}$/;
const SIGNATURE = /^v1,[\w-]{43}$/;
const KEY_ID = /^[\w-]{8}$/;

const sign = (key: RelayKey, base: string, crypto: Crypto): string => `v1,${crypto.hmacText(key.mac, base)}`;

/** The key that a signature is of; null for none. All are tried, so that the time does not tell which one matched. */
function signerOf(signature: string, base: string, keys: RelayKeys, crypto: Crypto): RelayKey | null {
  let signer: RelayKey | null = null;
  for (const key of keys) {
    if (crypto.equalText(sign(key, base, crypto), signature)) signer ??= key;
  }
  return signer;
}

/** What is asked of whom. `path` is as it is sent, with its query. */
export interface RequestTarget {
  readonly method: string;
  readonly path: string;
}

const RELAY_TARGET: RequestTarget = { method: 'POST', path: RELAY_PATH };

/** The first line of what is signed, so that a request to one side is never taken for one to the other. */
type RequestLabel = 'sallyport-relay-request.v1' | 'sallyport-edge-request.v1';

const requestBase = (
  label: RequestLabel,
  { method, path }: RequestTarget,
  { timestamp, nonce }: Pick<RelayHead, 'timestamp' | 'nonce'>,
  body: Uint8Array,
  crypto: Crypto,
): string => [label, method, path, timestamp, nonce, crypto.sha256Hex(body)].join('\n');

function signRequest(
  label: RequestLabel,
  target: RequestTarget,
  body: Uint8Array,
  atMs: number,
  keys: RelayKeys,
  crypto: Crypto,
  nonce: string,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(atMs / 1000));
  return {
    [relayHeader.version]: String(RELAY_VERSION),
    [relayHeader.timestamp]: timestamp,
    [relayHeader.nonce]: nonce,
    [relayHeader.key]: keys[0].id,
    [relayHeader.signature]: sign(keys[0], requestBase(label, target, { timestamp, nonce }, body, crypto), crypto),
  };
}

const newNonce = (crypto: Crypto): string => toBase64Url(crypto.random(NONCE_BYTES));

/**
 * Headers of a request with this body, sent at `atMs` (epoch). They are for one try: each gets a nonce of its own. `nonce`
 * is what the answer has to be verified with.
 */
export function signRelayRequest(
  body: Uint8Array,
  atMs: number,
  keys: RelayKeys,
  crypto: Crypto,
  nonce: string = newNonce(crypto),
): { readonly nonce: string; readonly headers: Readonly<Record<string, string>> } {
  const signed = signRequest('sallyport-relay-request.v1', RELAY_TARGET, body, atMs, keys, crypto, nonce);
  return { nonce, headers: { 'content-type': 'application/json', ...signed } };
}

/** Headers of an operator's request to the edge, without a body, sent at `atMs` (epoch). */
export const signEdgeRequest = (
  target: RequestTarget,
  atMs: number,
  keys: RelayKeys,
  crypto: Crypto,
): Readonly<Record<string, string>> =>
  signRequest('sallyport-edge-request.v1', target, new Uint8Array(), atMs, keys, crypto, newNonce(crypto));

/** What the headers of a request claim; nothing of it is proven before `verifyRelayRequest`. */
export interface RelayHead {
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
  /** The id of the key that the sender names. */
  readonly keyId: string | undefined;
}

/**
 * Reads the headers of a request, for which the body is not needed yet.
 * @throws SallyportError ERR_RELAY_VERSION, ERR_SIGNATURE_MISSING, ERR_SIGNATURE_MALFORMED, ERR_TIMESTAMP_MALFORMED,
 * ERR_TIMESTAMP_OUTSIDE_TOLERANCE
 */
export function readRelayHead(headers: { get(name: string): string | null }, nowMs: number): RelayHead {
  if (headers.get(relayHeader.version) !== String(RELAY_VERSION)) {
    throw new SallyportError('ERR_RELAY_VERSION', 'the version of the relay protocol is not supported');
  }
  const [timestamp, nonce, signature] = [relayHeader.timestamp, relayHeader.nonce, relayHeader.signature].map(
    (name) => headers.get(name) ?? '',
  ) as [string, string, string];
  if (timestamp === '' || nonce === '' || signature === '') {
    throw new SallyportError('ERR_SIGNATURE_MISSING', 'the relayed batch is not signed');
  }
  if (!TIMESTAMP.test(timestamp)) throw new SallyportError('ERR_TIMESTAMP_MALFORMED', 'the timestamp is malformed');
  if (!NONCE.test(nonce)) throw new SallyportError('ERR_SIGNATURE_MALFORMED', 'the nonce is malformed');
  if (!SIGNATURE.test(signature)) throw new SallyportError('ERR_SIGNATURE_MALFORMED', 'the signature is malformed');
  if (Math.abs(Math.floor(nowMs / 1000) - Number(timestamp)) > RELAY_TOLERANCE_SECONDS) {
    throw new SallyportError('ERR_TIMESTAMP_OUTSIDE_TOLERANCE', 'the timestamp is outside the tolerance');
  }
  const keyId = headers.get(relayHeader.key) ?? '';
  return { timestamp, nonce, signature, keyId: KEY_ID.test(keyId) ? keyId : undefined };
}

/** The id of the key that signed the request. @throws SallyportError ERR_SIGNATURE_MISMATCH */
export const verifyRelayRequest = (head: RelayHead, body: Uint8Array, keys: RelayKeys, crypto: Crypto): string =>
  verifyRequest('sallyport-relay-request.v1', RELAY_TARGET, head, body, keys, crypto);

/**
 * The id of the key that signed an operator's request to the edge. `body` is the one that came. The request may come again
 * while its timestamp is good, so it must do nothing new then. @throws SallyportError ERR_SIGNATURE_MISMATCH
 */
export const verifyEdgeRequest = (
  head: RelayHead,
  target: RequestTarget,
  body: Uint8Array,
  keys: RelayKeys,
  crypto: Crypto,
): string => verifyRequest('sallyport-edge-request.v1', target, head, body, keys, crypto);

function verifyRequest(
  label: RequestLabel,
  target: RequestTarget,
  head: RelayHead,
  body: Uint8Array,
  keys: RelayKeys,
  crypto: Crypto,
): string {
  const signer = signerOf(head.signature, requestBase(label, target, head, body, crypto), keys, crypto);
  if (signer === null) throw new SallyportError('ERR_SIGNATURE_MISMATCH', 'the signature does not match');
  return signer.id;
}

/** An answer as it is signed. */
export interface SignedAnswer {
  /** Of the request it answers. */
  readonly nonce: string;
  readonly status: number;
  readonly body: Uint8Array | string;
}

const answerBase = ({ nonce, status, body }: SignedAnswer, crypto: Crypto): string =>
  ['sallyport-relay-response.v1', nonce, String(status), crypto.sha256Hex(body)].join('\n');

/** The value of an answer's signature header. */
export const signRelayAnswer = (answer: SignedAnswer, keys: RelayKeys, crypto: Crypto): string =>
  sign(keys[0], answerBase(answer, crypto), crypto);

/**
 * Whether the holder of a relay key gave the answer. `signature` is its header, null without one. Nothing may be removed or
 * parked on an answer that this refuses.
 */
export const verifyRelayAnswer = (
  signature: string | null,
  answer: SignedAnswer,
  keys: RelayKeys,
  crypto: Crypto,
): boolean =>
  signature !== null &&
  SIGNATURE.test(signature) &&
  signerOf(signature, answerBase(answer, crypto), keys, crypto) !== null;

const EPOCH = /^([1-9a-z][0-9a-z]{7})-[\w-]{8}$/;
const EPOCH_RANDOM_BYTES = 6;

/** An epoch of a shard that is made at `atMs` (epoch milliseconds): the time in base 36, and eight random characters. */
export const createRelayEpoch = (atMs: number, crypto: Crypto): string =>
  `${atMs.toString(36)}-${toBase64Url(crypto.random(EPOCH_RANDOM_BYTES))}`;

/** Epoch milliseconds at which an epoch began; null for a text that is not one. Eight digits reach to the year 2059. */
export function relayEpochStart(epoch: string): number | null {
  const [, start] = EPOCH.exec(epoch) ?? [];
  return start === undefined ? null : Number.parseInt(start, 36);
}
