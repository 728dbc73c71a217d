import type { Author } from '../../../core/event.ts';
import type { IdentityPart } from '../../../core/identity.ts';
import type { ConversationReference } from '../reply/destination.ts';
import type { Activity } from './payload.ts';

/** How the sender wants its answer: later by a message of ours, or in the response to this very request. */
export type AnswerBy = 'message' | 'invoke' | 'replies' | 'webhook';

/** An activity that could be run, read but not yet claimed. */
export interface Candidate extends TeamsCandidate {
  readonly author: Author;
  readonly text: string;
  /** What makes it the same event, below channel, tenant and app. */
  readonly semantic: readonly IdentityPart[];
  /** What an agent would act on: two deliveries that differ here are a conflict. */
  readonly content: readonly IdentityPart[];
  readonly conversation: string;
  /** Every id above, and nothing else. */
  readonly ids: readonly string[];
  readonly answerBy: AnswerBy;
  /** The operation of an invoke; decides the shape of its answer. */
  readonly operation: string;
  /** Absent for outgoing webhooks, which take their answer in the response or not at all. */
  readonly reference: ConversationReference | undefined;
}

/** False when an id may not become a name, a key or a part of a URL. */
export const hasSafeIds = ({ ids }: Candidate): boolean => ids.every(isId);

/**
 * Ids of Teams and the other Bot Framework channels: `19:…@thread.tacv2;messageid=…`, `a:1…`, `29:1…`, `f:…`, and
 * `…|0000001` on Web Chat. They become names, keys and paths without being scrubbed, so nothing else gets through.
 * The longest of Teams have about 250 characters.
 */
const ID = /^[A-Za-z0-9][A-Za-z0-9:;@=|._+/-]{0,511}$/;

const isId = (value: string): boolean => ID.test(value);

/** The connector sends absent members as null, as '' or not at all. */
export const present = (value: string | null | undefined): string | undefined =>
  value === null || value === '' ? undefined : value;

/** Why something authentic is not run; each is a metric label and a row of docs/teams.md. */
export type TeamsReason =
  | 'unprocessable'
  | 'bad_routing_id'
  | 'unknown_type'
  | 'other_tenant'
  | 'own_message'
  | 'bot_message'
  | 'edit'
  | 'deletion'
  | 'sign_in'
  | 'no_agent';

/** Teams' prefix for bots; the rest is the bot's app id. */
const BOT_PREFIX = '28:';

/** Undefined for an author we may listen to. Answering ourselves never ends, and answering other bots may not either. */
export function whyIgnoreAuthor({ from }: Activity, appId: string | undefined): TeamsReason | undefined {
  const id = present(from?.id);
  if (appId !== undefined && (id === appId || id === BOT_PREFIX + appId)) return 'own_message';
  // Roles are how the emulator and Web Chat say it; Teams itself has only the prefix.
  return from?.role === 'bot' || id?.startsWith(BOT_PREFIX) ? 'bot_message' : undefined;
}

/** Undefined unless a single-tenant bot got an activity of some other tenant, or one that names none. */
export function whyIgnoreTenant(
  { channelData, conversation }: Activity,
  tenantId: string | undefined,
): TeamsReason | undefined {
  if (tenantId === undefined) return undefined;
  const named = present(channelData?.tenant?.id) ?? present(conversation?.tenantId);
  return named?.toLowerCase() === tenantId.toLowerCase() ? undefined : 'other_tenant';
}

/** `signin/verifyState` and `signin/tokenExchange` bring codes and tokens of people; no agent has any use for them. */
export const isSignIn = ({ type, name }: Activity): boolean =>
  type === 'invoke' && name?.startsWith('signin/') === true;

/** Why a type that no agent asked for is not run. */
export function whyUnlisted(activityType: string): TeamsReason {
  if (activityType === 'messageUpdate') return 'edit';
  return activityType === 'messageDelete' ? 'deletion' : 'no_agent';
}

/** What an agent may be asked about, before anything is claimed. */
interface TeamsCandidate {
  /** The activity's type: `message`, `invoke`, `messageReaction`, … */
  readonly activityType: string;
  /** The message names our bot. */
  readonly mentioned: boolean;
  /** It was said in a personal chat with our bot. */
  readonly direct: boolean;
}

/** Whether an agent answers this. False leaves no trace but a count. */
export type TeamsMatch = (candidate: TeamsCandidate) => boolean;

interface TeamsMatchOptions {
  /** Of messages, answer only those that name the bot and those of personal chats. */
  readonly mentionsOnly?: boolean;
  /** Further activity types to run, e.g. `messageReaction`. */
  readonly activityTypes?: readonly string[];
}

/** The default policy: agents get what people say and press; edits, reactions and membership only when listed. */
export function teamsMatchPolicy({ mentionsOnly = false, activityTypes = [] }: TeamsMatchOptions = {}): TeamsMatch {
  const listed: ReadonlySet<string> = new Set(activityTypes);
  return ({ activityType, mentioned, direct }) => {
    if (activityType === 'message') return mentioned || direct || !mentionsOnly;
    return activityType === 'invoke' || listed.has(activityType);
  };
}
