import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { toUtf8 } from '../../src/core/crypto/encoding.ts';
import type { InboundEvent } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import {
  createRelayEpoch,
  createRelayKeys,
  type RelayBatch,
  type RelayedEvent,
  type RelayKeys,
  type RelayResult,
  relayHeader,
  signRelayRequest,
  verifyRelayAnswer,
} from '../../src/core/relay.ts';
import { createRelayAttempts } from '../../src/queue/records/relay-attempts.ts';
import type { Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { readBodyStream } from '../../src/server/http/body.ts';
import { mountRelay, type RelayDeps } from '../../src/server/relay/relay.ts';
import { type Gate, type GateOptions, openGate } from './gate.ts';
import { testSources } from './test-sources.ts';

export const RELAY_KEY = new Uint8Array(32).fill(3);
export const relayKeys = (...keys: Uint8Array[]): RelayKeys => createRelayKeys(keys, nodeCrypto);

/** Tenants and channels of a gate for relayed batches: `chat` is set and no vendor delivers over it. */
const configured: ReadonlySet<string> = new Set(['default/slack', 'default/graph', 'globex/slack']);

export interface RelayGateOptions extends GateOptions {
  readonly relay?: Partial<RelayDeps>;
}

/** A gate that takes batches of the edge as well. */
export function openRelayGate({ relay = {}, ...options }: RelayGateOptions = {}): Promise<Gate> {
  let opened: Store;
  return openGate({
    ...options,
    over: (store) => {
      opened = options.over?.(store) ?? store;
      return opened;
    },
    mount: [
      (app) =>
        mountRelay({
          keys: relayKeys(RELAY_KEY),
          crypto: nodeCrypto,
          attempts: createRelayAttempts(opened.records),
          tenants: ['default', 'globex'],
          isConfigured: (tenant, channel) => configured.has(`${tenant}/${channel}`),
          inbox: opened.inbox,
          scrub: createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) }),
          meter: silentMeter,
          headersOf: (c) => c.req.raw.headers,
          readBody: (c, limits) => readBodyStream(c.req.raw, limits),
          bodyTimeoutMs: 10_000,
          sourceOf: () => '203.0.113.9',
          failures: testSources(options.failuresPerMinute ?? 1200),
          tally: () => {},
          isDraining: options.isDraining ?? (() => false),
          newRequestId: () => 'request-1',
          clock: options.clock ?? Date.now,
          logger: silentLogger,
          ...relay,
        })(app),
    ],
  });
}

export interface RelayAnswered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Whether it is signed for this request with the key of the gate. */
  readonly isProven: boolean;
  /** Of a failure. */
  readonly code: string | undefined;
  /** `outcome`, or `rejected reason`, of each event. */
  readonly outcomes: readonly string[];
  readonly results: readonly RelayResult[];
}

export interface PostRelay {
  /** Default: now. */
  readonly at?: number;
  readonly keys?: RelayKeys;
  /** Sent instead of what was signed. */
  readonly body?: Uint8Array | ReadableStream<Uint8Array>;
  /** Headers set after signing; null takes one away. */
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly method?: string;
  readonly nonce?: string;
}

/** Sends a body as the edge does. */
export async function postRelay(
  { app }: Pick<Gate, 'app'>,
  content: RelayBatch | Uint8Array | string,
  { at = Date.now(), keys = relayKeys(RELAY_KEY), body, headers = {}, method = 'POST', nonce }: PostRelay = {},
): Promise<RelayAnswered> {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const bytes = content instanceof Uint8Array ? content : toUtf8(text);
  const signed = signRelayRequest(bytes, at, keys, nodeCrypto, nonce);
  const sent = new Headers(signed.headers);
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) sent.delete(name);
    else sent.set(name, value);
  }
  const init = { method, headers: sent, ...(method === 'GET' ? {} : { body: body ?? bytes, duplex: 'half' }) };
  return relayAnswered(await app.request(new Request('http://gate.test/relay', init as RequestInit)), signed.nonce);
}

async function relayAnswered(response: Response, nonce: string): Promise<RelayAnswered> {
  const text = await response.text();
  const signature = response.headers.get(relayHeader.signature);
  const answer = { nonce, status: response.status, body: text };
  const { code, results = [] } = (text === '' ? {} : JSON.parse(text)) as { code?: string; results?: RelayResult[] };
  return {
    ...{ status: response.status, headers: response.headers, text, code, results },
    isProven: verifyRelayAnswer(signature, answer, relayKeys(RELAY_KEY), nodeCrypto),
    outcomes: results.map(({ outcome, reason }) => (reason === undefined ? outcome : `${outcome} ${reason}`)),
  };
}

export const relayed = (event: InboundEvent, more: Partial<RelayedEvent> = {}): RelayedEvent => ({
  acceptedAt: event.receivedAt,
  deliveries: 1,
  event,
  ...more,
});

/** Makes the batches of one shard, each with the next attempt. */
export function createRelayShard({
  tenant = 'default',
  number = 3,
  bornAt = Date.now(),
}: {
  readonly tenant?: string;
  readonly number?: number;
  readonly bornAt?: number;
} = {}): (events: readonly (InboundEvent | RelayedEvent)[], more?: Partial<RelayBatch>) => RelayBatch {
  const epoch = createRelayEpoch(bornAt, nodeCrypto);
  let attempt = 0;
  return (events, more = {}) => {
    attempt += 1;
    const all = events.map((one) => ('identity' in Object(one) ? relayed(one as InboundEvent) : (one as RelayedEvent)));
    return { v: 1, tenant, shard: `${tenant}/${number}`, epoch, attempt, events: all, ...more };
  };
}
