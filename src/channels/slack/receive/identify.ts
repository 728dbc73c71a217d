import type { Identifier } from '../../../core/identity.ts';
import type { ParsedEvent } from '../../channel.ts';
import { type Candidate, destinationOf, routingIdsOf } from './candidate.ts';
import { removeCapabilities } from './clean.ts';
import type { Parsed } from './parse.ts';

/** How long an identity is remembered, in milliseconds. */
export interface SlackWindows {
  /** Longer than the 25 h for which Slack may send an event again. */
  readonly eventsMs: number;
  /** Commands and actions are sent once; this only catches a proxy that sends twice. */
  readonly interactionsMs: number;
}

export interface IdentifyDeps {
  readonly identifier: Identifier;
  /** Stands in for the app id where a payload has none. Stable, because identities hang on it. */
  readonly appName: string;
  readonly windows: SlackWindows;
}

interface Arrival {
  readonly tenant: string;
  readonly receivedAt: number;
}

/** Makes the event of a candidate: identity, conversation, and the payload without its capabilities. */
export function identify(
  { candidate, workspace, payload }: Parsed & { kind: 'candidate' },
  { tenant, receivedAt }: Arrival,
  { identifier, appName, windows }: IdentifyDeps,
): ParsedEvent {
  removeCapabilities(payload);
  const scope = ['slack', tenant, workspace.appId ?? appName];
  return {
    event: {
      v: 1,
      id: identifier.eventId(receivedAt),
      tenant,
      channel: 'slack',
      kind: candidate.kind,
      identity: identifier.identity(scope, candidate.semantic, candidate.content),
      windowMs: candidate.repeats === 'events' ? windows.eventsMs : windows.interactionsMs,
      conversation: identifier.conversation(scope, candidate.place.conversation),
      receivedAt,
      mentioned: candidate.mentioned,
      author: candidate.author,
      text: candidate.text,
      destination: destinationOf(candidate, workspace),
      payload,
    },
    capabilities: capabilitiesOf(candidate),
    // Without the timestamps: `isTs` lets nothing through that could be a secret.
    routingIds: routingIdsOf(candidate, workspace),
  };
}

const capabilitiesOf = ({ responseUrl, triggerId }: Candidate): Record<string, string> => ({
  ...(responseUrl !== undefined && { response_url: responseUrl }),
  ...(triggerId !== undefined && { trigger_id: triggerId }),
});
