import { defined } from '../../../core/defined.ts';
import { codeOf, type ErrorCode, SallyportError } from '../../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../core/json/json-text.ts';
import type { Delivery, ParsedEvent, Received, Refused } from '../../channel.ts';
import type { OpenContent } from '../read/decrypt.ts';
import { idsOf, isId, refOf } from '../resource.ts';
import { glance } from './claimed-states.ts';
import type { Arrival, Identify, LifecycleEvent } from './identify.ts';
import {
  encryptedSchema,
  type IgnoredReason,
  type Item,
  itemSchema,
  type QuarantineReason,
  readEnvelope,
} from './payload.ts';
import type { ItemVerifier, VerifyPublisher } from './verify.ts';

/**
 * Handshake, or a batch whose items stand for themselves: good ones become events, the others are quarantined, and Graph
 * learns nothing of it. @throws SallyportError ERR_BODY_UNPARSABLE, ERR_KEYS_UNAVAILABLE
 */
export async function receive(
  delivery: Delivery,
  { nonce }: GraphRoute,
  deps: {
    readonly verifierFor: (tenant: string, nonce: string | undefined) => ItemVerifier;
    /** Null where no application is configured: nothing is covered by a token then. */
    readonly verifyPublisher: VerifyPublisher | null;
    /** Null where no certificate is configured. */
    readonly openContent: OpenContent | null;
    readonly identify: Identify;
  },
): Promise<Received> {
  // By the body, not by the URL: a token on the URL must not keep a body from being verified.
  if (delivery.body.length === 0) return answerHandshake(delivery);
  const { verify, isExpected, unexpected } = deps.verifierFor(delivery.tenant, nonce);
  const seen = glance(delivery.body, isExpected);
  if (seen === 'unparsable') throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is no notification');
  if (seen === 'forged') return { events: [], refused: [quarantined(unexpected)] };
  const { items, validationTokens } = readEnvelope(delivery.body);
  const refusals = items.map(verify);
  // Signatures cost 0.2 ms each; nobody makes us check them who knows no subscription's secret.
  const isKnown = refusals.includes(null);
  const coverage = await coverageOf(isKnown ? validationTokens : [], items.length, deps.verifyPublisher);
  const results = await Promise.all(
    items.map((item, at) => {
      const refusal = refusals[at] ?? null;
      return refusal === null ? readItem(item, nonce, coverage, delivery, deps) : quarantined(refusal);
    }),
  );
  return {
    events: results.filter(isEvent),
    refused: results.filter((result): result is Refused => !isEvent(result)),
  };
}

const isEvent = (result: ParsedEvent | Refused): result is ParsedEvent => 'event' in result;

async function readItem(
  value: JsonValue,
  nonce: string | undefined,
  coverage: Coverage,
  delivery: Delivery,
  { openContent, identify }: { readonly openContent: OpenContent | null; readonly identify: Identify },
): Promise<ParsedEvent | Refused> {
  if (coverage.kind === 'suspicious') return quarantined(coverage.reason);
  const item = itemSchema.safeParse(value).data;
  if (item === undefined) return quarantined('bad_item');
  if (item.encryptedContent == null) return parseItem(item, nonce, undefined, delivery, identify);
  if (!coverage.tenants.has(item.tenantId.toLowerCase())) return quarantined('token_missing');
  const encrypted = encryptedSchema.safeParse(item.encryptedContent).data;
  if (encrypted === undefined) return quarantined('undecryptable');
  if (openContent === null) return quarantined('unknown_certificate');
  const opened = await openContent(encrypted);
  if (opened.kind === 'refused') return quarantined(opened.reason);
  if (!isJsonObject(opened.resource)) return quarantined('undecryptable');
  return parseItem(item, nonce, opened.resource, delivery, identify);
}

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
function answerHandshake({ url }: Pick<Delivery, 'url'>): Received {
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

const lifecycleEvents: ReadonlySet<string> = new Set<LifecycleEvent>([
  'reauthorizationRequired',
  'subscriptionRemoved',
  'missed',
]);
const isLifecycleEvent = (text: string): text is LifecycleEvent => lifecycleEvents.has(text);

/** An authentic item as an event, or why it is none. `content` is the decrypted resource of a rich notification. */
function parseItem(
  item: Item,
  nonce: string | undefined,
  content: JsonValue | undefined,
  arrival: Arrival,
  identify: Identify,
): ParsedEvent | Refused {
  const { subscriptionId: subscription, lifecycleEvent } = item;
  if (!isId(subscription)) return badId;
  if (lifecycleEvent) {
    if (!isLifecycleEvent(lifecycleEvent)) return ignored('unknown_lifecycle_event');
    return identify.lifecycle(lifecycleEvent, { nonce, subscription }, arrival);
  }
  // `updated` may come before `created`, or without it.
  if (item.changeType !== 'created' && item.changeType !== 'updated') return ignored('unsupported_change');
  const ref = refOf(item.resource ?? '');
  if (ref === null) return ignored('unsupported_resource');
  if (!idsOf(ref).every(isId)) return badId;
  return identify.object(ref, { nonce, subscription }, payloadOf(item, content), arrival);
}

/** What is kept: neither the secret nor the tokens nor the ciphertext. */
function payloadOf(item: Item, content: JsonValue | undefined): JsonObject {
  const { clientState: _secret, encryptedContent: _ciphertext, resourceData, ...fields } = item;
  return {
    ...(fields as JsonObject),
    ...(resourceData != null && { resourceData: resourceData as JsonObject }),
    ...defined({ content }),
  };
}

/** Authentic, but its ids may not become names. */
const badId: Refused = { outcome: 'quarantined', reason: 'bad_routing_id' satisfies QuarantineReason };

const ignored = (reason: IgnoredReason): Refused => ({ outcome: 'ignored', reason });
const quarantined = (reason: QuarantineReason): Refused => ({ outcome: 'quarantined', reason, isForged: true });

/** What the validation tokens of one request prove. */
type Coverage =
  /** Entra tenants (lower case) for which Microsoft vouches. */
  | { readonly kind: 'covered'; readonly tenants: ReadonlySet<string> }
  /** One of them is not what Graph would send, so nothing in this request is to be trusted. */
  | { readonly kind: 'suspicious'; readonly reason: QuarantineReason };

/**
 * Verifies every token: one that is wrong condemns the request. `verify` is null where no application is configured.
 * Graph sends one token per application and tenant among the items, so more tokens than items are nobody's.
 * @throws SallyportError ERR_KEYS_UNAVAILABLE
 */
async function coverageOf(
  tokens: readonly JsonValue[],
  items: number,
  verify: VerifyPublisher | null,
): Promise<Coverage> {
  const tenants = new Set<string>();
  if (verify === null) return { kind: 'covered', tenants };
  if (tokens.length > items) return { kind: 'suspicious', reason: 'token_malformed' };
  try {
    for (const token of tokens) {
      if (typeof token !== 'string') return { kind: 'suspicious', reason: 'token_malformed' };
      tenants.add(await verify(token));
    }
  } catch (error) {
    if (!(error instanceof SallyportError) || !error.code.startsWith('ERR_TOKEN_')) throw error;
    return { kind: 'suspicious', reason: reasonOf(codeOf(error)) };
  }
  return { kind: 'covered', tenants };
}

/** `ERR_TOKEN_AUDIENCE` as a reason: `token_audience`. */
const reasonOf = (code: ErrorCode): QuarantineReason => `token_${code.slice('ERR_TOKEN_'.length).toLowerCase()}`;

/** Which of a tenant's URLs a notification was sent to. */
interface GraphRoute {
  /** Names one of our own subscriptions; absent on the URLs for hand-made ones. */
  readonly nonce: string | undefined;
}

const NONCE = /^[A-Za-z0-9_-]{22}$/;

/** What follows `/hooks/graph/{tenant}`; null for a path that does not exist. Both kinds of notification may come on each. */
export function routeOf(rest: readonly string[]): GraphRoute | null {
  const [nonce, ...more] = rest[0] === 'lifecycle' ? rest.slice(1) : rest;
  if (more.length > 0) return null;
  return nonce === undefined || NONCE.test(nonce) ? { nonce } : null;
}
