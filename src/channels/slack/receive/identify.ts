import { defined } from '../../../core/defined.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Identifier } from '../../../core/identity.ts';
import type { JsonObject, JsonValue } from '../../../core/json/json-text.ts';
import type { ParsedEvent } from '../../channel.ts';
import { type Candidate, destinationOf, routingIdsOf } from './candidate.ts';
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

/** Makes the event of a candidate: identity, conversation, and the payload without its capabilities. */
export function identify(
  { candidate, workspace, tenant, payload }: Parsed & { kind: 'candidate' },
  receivedAt: number,
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

/** The channel, whose threads may share a message; a command's channel and user; else the user or the workspace. */
export function containerOf({ kind, conversation, destination }: Omit<InboundEvent, 'sealed'>): string {
  const { channel } = destination;
  return kind === 'command' || typeof channel !== 'string' ? conversation.name : channel;
}

const capabilitiesOf = ({ responseUrl, triggerId }: Candidate): Record<string, string> => ({
  ...defined({ response_url: responseUrl, trigger_id: triggerId }),
});

/**
 * Bearer secrets of Slack's payloads, wherever they sit: the deprecated verification token, and what lets its holder
 * act for the app or the user (a `response_url` takes 5 posts within 30 minutes). An object of such a name is somebody's
 * form field (a block called `token`) and stays.
 */
const capabilities: ReadonlySet<string> = new Set([
  'token',
  'response_url',
  'trigger_id',
  'bot_access_token',
  'interactivity_pointer',
]);

/** Apps park a `response_url` in `private_metadata`, where it is inside a string, often of JSON with escaped slashes. */
const HOOK_URL = /https:\\?\/\\?\/hooks\.slack(?:-gov)?\.com[^\s"'<>]*/gi;
const withoutHooks = (text: string): string =>
  text.includes('://') || text.includes(':\\/') ? text.replace(HOOK_URL, '[removed]') : text;

/**
 * Takes the capabilities out of a payload, in place: nobody else has it yet, and every delivery would have to be copied
 * for its `token`. They become `undefined`, which JSON leaves out; an object that a member was deleted from would be slow
 * to read for ever after.
 */
function removeCapabilities(payload: JsonObject): void {
  blankObject(payload as Record<string, JsonValue | undefined>, '');
}

function blankObject(object: Record<string, JsonValue | undefined>, ownName: string): void {
  for (const name of Object.keys(object)) {
    const value = object[name];
    if (isCapability(name, value, ownName)) object[name] = undefined;
    else if (typeof value === 'string') {
      const kept = withoutHooks(value);
      if (kept !== value) object[name] = kept;
    } else if (typeof value === 'object' && value !== null) blank(value, name);
  }
}

/** Besides those: the secret with which a workflow step opens views for whoever pressed its button. */
const isCapability = (name: string, value: JsonValue | undefined, ownName: string): boolean =>
  (typeof value === 'string' && capabilities.has(name)) || (ownName === 'interactor' && name === 'secret');

function blank(value: JsonObject | readonly JsonValue[], name: string): void {
  if (Array.isArray(value)) blankList(value);
  else blankObject(value as Record<string, JsonValue | undefined>, name);
}

function blankList(list: JsonValue[]): void {
  for (const [at, item] of list.entries()) {
    if (typeof item === 'string') list[at] = withoutHooks(item);
    else if (typeof item === 'object' && item !== null) blank(item, '');
  }
}
