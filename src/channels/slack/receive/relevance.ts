import { type Authored, type MessageEvent, type OtherEvent, present } from './payload.ts';

/** Why something authentic is not run; each is a metric label and a row of docs/slack.md. */
export type SlackReason =
  | 'unprocessable'
  | 'bad_routing_id'
  | 'unknown_type'
  | 'unknown_workspace'
  | 'other_tenant'
  | 'own_message'
  | 'bot_message'
  | 'edit'
  | 'deletion'
  | 'hidden'
  | 'subtype'
  | 'no_agent'
  | 'app_rate_limited';

/** The ids by which our own app appears as an author. Unknown ones are absent and match nothing. */
export interface OwnIds {
  readonly appId: string | undefined;
  readonly botUserId: string | undefined;
  readonly botId: string | undefined;
}

/** Subtypes that are still somebody saying something to the channel (Bolt's own pattern for messages). */
const spoken: ReadonlySet<string> = new Set(['file_share', 'thread_broadcast', 'bot_message']);

/** Slack's own bot (reminders, notices) writes like a user: no `bot_id`, always this user id. */
const SLACKBOT = 'USLACKBOT';

/** Undefined when the message is for an agent; otherwise why not. `allowBots`: bot or app ids that may speak to us. */
export function whyIgnoreMessage(
  event: MessageEvent,
  own: OwnIds,
  allowBots: ReadonlySet<string>,
): SlackReason | undefined {
  // First of all, and for edits and deletions too, whose author sits in the nested message: answering ourselves never ends.
  if ([event, event.message, event.previous_message].some((part) => part && isOwn(part, own))) return 'own_message';
  if (event.subtype === 'message_changed' || event.edited) return 'edit';
  if (event.subtype === 'message_deleted') return 'deletion';
  if (event.hidden) return 'hidden';
  if (present(event.subtype) !== undefined && !spoken.has(event.subtype ?? '')) return 'subtype';
  if (isBot(event) && !isAllowed(event, allowBots)) return 'bot_message';
  return undefined;
}

/** Bolt's exception: our bot joining or leaving a channel is worth knowing, whoever "did" it. */
const selfIsNews: ReadonlySet<string> = new Set(['member_joined_channel', 'member_left_channel']);

export function whyIgnoreOther(event: OtherEvent, user: string | undefined, own: OwnIds): SlackReason | undefined {
  const isSelf = user !== undefined && user === own.botUserId;
  return isSelf && !selfIsNews.has(event.type) ? 'own_message' : undefined;
}

/** The bot that wrote a message, however the message says so. */
export const botOf = (part: Authored): string | undefined => present(part.bot_id) ?? present(part.bot_profile?.id);

const appOf = (part: Authored): string | undefined => present(part.bot_profile?.app_id) ?? present(part.app_id);

const isOwn = (part: Authored, own: OwnIds): boolean =>
  isSame(part.user, own.botUserId) || isSame(botOf(part), own.botId) || isSame(appOf(part), own.appId);

const isBot = (event: MessageEvent): boolean =>
  botOf(event) !== undefined || event.subtype === 'bot_message' || event.user === SLACKBOT;

const isAllowed = (event: MessageEvent, allowed: ReadonlySet<string>): boolean =>
  allowed.has(botOf(event) ?? '') || allowed.has(appOf(event) ?? '');

const isSame = (value: string | null | undefined, own: string | undefined): boolean =>
  own !== undefined && value === own;

/** What an agent may be asked about, before anything is claimed. */
export interface MatchCandidate {
  /** `message`, `command`, `action`, `shortcut`, `view`, or Slack's own event type. */
  readonly kind: string;
  /** The message names our bot. */
  readonly mentioned: boolean;
  /** It was said in a direct message to our bot. */
  readonly direct: boolean;
  /** Slack's `type`, e.g. `app_mention`, `block_actions`, `reaction_added`; `slash_command` for commands. */
  readonly eventType: string;
}

/** Whether an agent answers this. False leaves no trace but a count, so a twin of the event is still free to match. */
export type Match = (candidate: MatchCandidate) => boolean;

interface MatchOptions {
  /** Of messages, answer only those that name the bot and those sent to it directly. */
  readonly mentionsOnly?: boolean;
  /** Further Events API types to run, e.g. `reaction_added`. */
  readonly eventTypes?: readonly string[];
}

/** What people press or type on purpose. */
const addressed: ReadonlySet<string> = new Set(['command', 'action', 'shortcut', 'view']);

/** The default policy: agents get everything people say and press; other event types only when listed. */
export function matchPolicy({ mentionsOnly = false, eventTypes = [] }: MatchOptions = {}): Match {
  const listed: ReadonlySet<string> = new Set(eventTypes);
  return ({ kind, mentioned, direct, eventType }) => {
    if (kind === 'message') return mentioned || direct || !mentionsOnly;
    return addressed.has(kind) || listed.has(eventType);
  };
}
