import { defined } from '../../../core/defined.ts';
import type { Author } from '../../../core/event.ts';
import type { IdentityPart } from '../../../core/identity.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { Workspace } from '../installation.ts';
import { isId, isTs } from './payload.ts';
import type { MatchCandidate, SlackReason } from './relevance.ts';

/** A payload that could be run, read but not yet claimed. */
export interface Candidate extends MatchCandidate {
  readonly author: Author;
  readonly text: string;
  /** What makes it the same event, below channel, tenant and app. */
  readonly semantic: readonly IdentityPart[];
  /** What an agent would act on: two deliveries that differ here are a conflict. */
  readonly content: readonly IdentityPart[];
  /** Interactions are never sent again, events are for a day. */
  readonly repeats: 'events' | 'interactions';
  readonly place: Place;
  readonly responseUrl: string | undefined;
  /** Opens a view within 3 seconds of what the user pressed. */
  readonly triggerId: string | undefined;
}

/** Where it happened. */
export interface Place {
  readonly conversation: string;
  /** A channel, or a user, which Slack takes to mean the direct message with them. Absent: nowhere to reply to. */
  readonly channel: string | undefined;
  /** The thread a reply belongs to. */
  readonly thread: string | undefined;
  /** Every id above, and nothing else. */
  readonly ids: readonly string[];
  readonly timestamps: readonly string[];
}

/** A direct message's channel; Slack's prefix for them, which holds where `channel_type` is not sent. */
export const isDirectChannel = (channel: string): boolean => channel.startsWith('D');

/** One conversation per thread in a channel, one in all in a direct message. `root` is the thread's first message. */
export function placeOfMessage(channel: string, root: string, thread: string | undefined, direct: boolean): Place {
  return {
    conversation: direct ? channel : `${channel}:${root}`,
    channel,
    // A direct message is answered where it was written: in its thread, or else without one.
    thread: direct ? thread : root,
    ids: [channel],
    timestamps: thread === undefined ? [root] : [root, thread],
  };
}

/** For what has no message: its channel, else its user, else its workspace. */
export function placeOfOther(
  channel: string | undefined,
  user: string | undefined,
  workspace: string | undefined,
): Place {
  const conversation = channel ?? user ?? workspace ?? '';
  return { conversation, channel: channel ?? user, thread: undefined, ids: [conversation], timestamps: [] };
}

/** Every id that goes into names, keys and destinations. */
export const routingIdsOf = ({ place, author }: Candidate, { installedIn, appId }: Workspace): string[] => [
  ...place.ids,
  author.id,
  ...(installedIn === undefined ? [] : [installedIn]),
  ...(appId === undefined ? [] : [appId]),
];

/** Undefined when all ids and timestamps may be used so. */
export function whyRefuseIds(candidate: Candidate, workspace: Workspace): SlackReason | undefined {
  if (!candidate.place.timestamps.every(isTs)) return 'unprocessable';
  return routingIdsOf(candidate, workspace).every(isId) ? undefined : 'bad_routing_id';
}

/** What `reply.ts` finds in the event's `destination`. */
export function destinationOf(candidate: Candidate, { appId, installedIn }: Workspace): JsonObject {
  const { channel, thread } = candidate.place;
  return {
    via: candidate.responseUrl === undefined ? 'message' : 'response_url',
    ...defined({ channel, thread, workspace: installedIn, app: appId }),
  };
}
