import { isJsonObject, type JsonValue } from '../../../core/json/json.ts';
import type { Delivery, ParsedEvent, Received, Refused } from '../../channel.ts';
import type { OpenContent } from '../read/decrypt.ts';
import { type Coverage, coverageOf } from '../sync/coverage.ts';
import { answerHandshake } from './handshake.ts';
import type { Identify } from './identify.ts';
import { parseItem, quarantined } from './parse.ts';
import { encryptedSchema, itemSchema, readEnvelope } from './payload.ts';
import type { VerifyPublisher } from './publisher.ts';
import type { GraphRoute } from './route.ts';
import type { VerifyItem } from './verify.ts';

export interface ReceiveDeps {
  readonly verifierFor: (tenant: string, nonce: string | undefined) => VerifyItem;
  /** Null where no application is configured: nothing is covered by a token then. */
  readonly verifyPublisher: VerifyPublisher | null;
  /** Null where no certificate is configured. */
  readonly openContent: OpenContent | null;
  readonly identify: Identify;
}

/**
 * Handshake, or a batch whose items stand for themselves: good ones become events, the others are quarantined, and Graph
 * learns nothing of it. @throws SallyportError ERR_BODY_UNPARSABLE, ERR_KEYS_UNAVAILABLE
 */
export async function receive(delivery: Delivery, { nonce }: GraphRoute, deps: ReceiveDeps): Promise<Received> {
  // By the body, not by the URL: a token on the URL must not keep a body from being verified.
  if (delivery.body.length === 0) return answerHandshake(delivery);
  const { items, validationTokens } = readEnvelope(delivery.body);
  const verify = deps.verifierFor(delivery.tenant, nonce);
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
  { openContent, identify }: ReceiveDeps,
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
