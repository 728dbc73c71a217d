import * as z from 'zod';
import { SallyportError } from '../../../core/errors.ts';
import { decodeText, isJsonObject, type JsonValue, parseJsonText } from '../../../core/json/json-text.ts';

/**
 * What we read of Graph's notifications, and no more: unknown fields pass. `id` and `subscriptionExpirationDateTime` are
 * missing from some of Graph's own samples and are not asked for.
 * https://learn.microsoft.com/graph/api/resources/changenotification
 */
const text = z.string().nullish();

export const encryptedSchema = z.object({
  data: z.string(),
  dataKey: z.string(),
  dataSignature: z.string(),
  encryptionCertificateId: z.string(),
});
/** The encrypted resource of a rich notification. */
export type EncryptedContent = z.infer<typeof encryptedSchema>;

export const itemSchema = z.looseObject({
  subscriptionId: z.string().min(1),
  tenantId: z.string().min(1),
  changeType: text,
  lifecycleEvent: text,
  resource: text,
  resourceData: z.looseObject({}).nullish(),
  encryptedContent: z.unknown().optional(),
});
export type Item = z.infer<typeof itemSchema>;

/** A body as Graph sends it; the items are not looked at yet. */
export interface Envelope {
  readonly items: readonly JsonValue[];
  readonly validationTokens: readonly JsonValue[];
}

/**
 * More items than 4 MiB of real notifications can hold (an item's required fields alone take 400 bytes). Without a bound
 * anybody could make us look at a million empty ones.
 */
const MAX_ITEMS = 10_000;

/** @throws SallyportError ERR_BODY_UNPARSABLE when it is no notification at all */
export function readEnvelope(body: Uint8Array): Envelope {
  const value = parseJsonText(decodeText(body));
  if (!isJsonObject(value) || !Array.isArray(value.value) || value.value.length > MAX_ITEMS) {
    throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is no notification');
  }
  const { validationTokens } = value;
  return {
    items: value.value,
    // Tokens that are no list are tokens that cannot be verified.
    validationTokens: validationTokens == null ? [] : Array.isArray(validationTokens) ? validationTokens : [''],
  };
}

/** Why an authentic item is not run; each is a metric label and a row of docs/graph.md. */
export type IgnoredReason = 'unsupported_resource' | 'unsupported_change' | 'unknown_lifecycle_event';

/** Why an item is not to be trusted. The other `token_…` reasons are the token verifier's codes. */
export type QuarantineReason =
  | 'bad_item'
  | 'bad_routing_id'
  | 'unknown_subscription'
  | 'client_state'
  | 'other_tenant'
  | 'token_missing'
  | 'unknown_certificate'
  | 'undecryptable'
  | `token_${string}`;
