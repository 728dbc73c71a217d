import type { JsonObject, JsonValue } from '../../../core/json/json.ts';
import type { ParsedEvent, Refused } from '../../channel.ts';
import { idsOf, isId, refOf } from '../resource.ts';
import type { IgnoredReason, QuarantineReason } from '../sync/reasons.ts';
import type { Arrival, Identify, LifecycleEvent } from './identify.ts';
import type { Item } from './payload.ts';

const lifecycleEvents: ReadonlySet<string> = new Set<LifecycleEvent>([
  'reauthorizationRequired',
  'subscriptionRemoved',
  'missed',
]);
const isLifecycleEvent = (text: string): text is LifecycleEvent => lifecycleEvents.has(text);

/** An authentic item as an event, or why it is none. `content` is the decrypted resource of a rich notification. */
export function parseItem(
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
    ...(content !== undefined && { content }),
  };
}

/** Authentic, but its ids may not become names. */
const badId: Refused = { outcome: 'quarantined', reason: 'bad_routing_id' satisfies QuarantineReason };

const ignored = (reason: IgnoredReason): Refused => ({ outcome: 'ignored', reason });
export const quarantined = (reason: QuarantineReason): Refused => ({ outcome: 'quarantined', reason, isForged: true });
