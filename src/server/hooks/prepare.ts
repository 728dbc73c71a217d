import type { ParsedEvent, Received, Refused } from '../../channels/channel.ts';
import type { TallyRefusal } from '../../core/audit/entry.ts';
import type { InboundEvent } from '../../core/event.ts';
import { identifiersOf } from '../../core/identity.ts';
import type { Meter } from '../../core/meter.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Sealer } from '../../scrub/seal.ts';

interface PrepareDeps {
  readonly scrub: Scrub;
  readonly sealer: Sealer;
  /**
   * Whether anybody answers an event, as far as its delivery tells; absent: somebody does. What nobody answers claims
   * nothing, so that its twin, which somebody does, is not taken for seen. It sees events cleaned.
   */
  readonly isRelevant?: ((event: InboundEvent) => boolean) | undefined;
}

interface Prepared {
  readonly events: readonly InboundEvent[];
  readonly refused: readonly Refused[];
}

/** Makes parsed events fit to be stored: secrets out, capabilities sealed, poisoned routing ids quarantined. */
export function prepare(received: Received, deps: PrepareDeps): Prepared {
  const events: InboundEvent[] = [];
  const refused = [...received.refused];
  for (const parsed of received.events) {
    const routing = deps.scrub(parsed.routingIds);
    if (routing.findings.length > 0) {
      refused.push({ outcome: 'quarantined', reason: 'secret_in_id' });
      continue;
    }
    const event = clean(parsed, deps);
    if (deps.isRelevant?.(event) ?? true) events.push(event);
    else refused.push({ outcome: 'ignored', reason: 'no_agent' });
  }
  return { events, refused };
}

/** The same for events that a worker found at a vendor. What is refused is counted here, as nothing else comes of it. */
export function prepareFound(
  found: readonly ParsedEvent[],
  deps: PrepareDeps & { readonly meter: Meter; readonly tally: TallyRefusal },
): readonly InboundEvent[] {
  const { events, refused } = prepare({ events: found, refused: [] }, deps);
  const first = found[0]?.event;
  if (first === undefined) return events;
  for (const { outcome, reason } of refused) {
    deps.meter.delivery(first.channel, outcome, reason);
    if (outcome !== 'quarantined') continue;
    deps.tally(first.tenant, { action: 'delivery.quarantined', subject: first.channel, reason });
  }
  return events;
}

function clean({ event, capabilities, routingIds }: ParsedEvent, { scrub, sealer }: PrepareDeps): InboundEvent {
  const identifiers = [...routingIds, ...identifiersOf(event)];
  const { value } = scrub({ text: event.text, payload: event.payload }, { identifiers });
  const sealed: Record<string, string> = {};
  for (const [name, capability] of Object.entries(capabilities)) {
    sealed[name] = sealer.seal(capability, { tenant: event.tenant, eventId: event.id, name });
  }
  return { ...event, ...value, sealed };
}
