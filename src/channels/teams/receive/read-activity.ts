import type { Author } from '../../../core/event.ts';
import type { IdentityPart } from '../../../core/identity.ts';
import { present } from '../ids.ts';
import type { ConversationReference } from '../reply/destination.ts';
import type { AnswerBy, Candidate } from './candidate.ts';
import type { Activity } from './payload.ts';
import { isSignIn, type TeamsReason, whyIgnoreAuthor, whyIgnoreTenant } from './relevance.ts';
import { readText, textOfValue } from './text.ts';

export interface OwnBot {
  readonly appId: string;
  /** The Entra tenant of a single-tenant bot; undefined for one that any tenant may install. */
  readonly tenantId: string | undefined;
}

/** Becomes the event's kind, so it is a bounded word. */
const TYPE = /^[A-Za-z][A-Za-z0-9._/-]{0,63}$/;

/** An activity of the bot connector as a candidate, or why it is none. */
export function readActivity(activity: Activity, own: OwnBot): Candidate | TeamsReason {
  const ignored = whyIgnoreTenant(activity, own.tenantId) ?? whyIgnoreAuthor(activity, own.appId);
  if (ignored !== undefined) return ignored;
  const { type } = activity;
  if (!TYPE.test(type)) return 'unknown_type';
  if (isSignIn(activity)) return 'sign_in';
  const conversation = present(activity.conversation?.id);
  const author = present(activity.from?.id);
  const semantic = semanticOf(activity);
  const isSpoken = type === 'message' || type === 'invoke';
  if (conversation === undefined || semantic === undefined || (isSpoken && author === undefined))
    return 'unprocessable';
  const said = readText(activity, (id) => id === activity.recipient?.id || id === `28:${own.appId}`);
  const answerBy = answerByOf(activity);
  const activityId = present(activity.id);
  return {
    activityType: type,
    mentioned: said.mentioned,
    direct: isDirect(activity),
    author: authorOf(author),
    // A card's button sends a message without words; what was filled in is what was said.
    text: said.text === '' && isSpoken ? textOfValue(activity.value) : said.text,
    semantic: ['activity', ...semantic],
    content: contentOf(activity),
    conversation,
    ids: [conversation, author, activityId].filter((id) => id !== undefined),
    answerBy,
    operation: present(activity.name) ?? '',
    reference: referenceOf(activity, conversation, activityId),
  };
}

/**
 * What names the activity within app and tenant; undefined when nothing does. Messages and invokes have an id of their
 * own. Edits, deletions, reactions and membership reuse their message's id, or have none.
 */
function semanticOf({ type, channelId, conversation, id, timestamp }: Activity): readonly IdentityPart[] | undefined {
  const place = [channelId, conversation?.id];
  const hasOwnId = present(id) !== undefined && (type === 'message' || type === 'invoke');
  if (hasOwnId) return [...place, id];
  if (type === 'message' || present(timestamp) === undefined) return undefined;
  return [...place, id, type, timestamp];
}

/** Without the timestamp, which a re-sent activity may carry anew. */
function contentOf({ type, from, text, name, replyToId, value, attachments }: Activity): readonly IdentityPart[] {
  const files = (attachments ?? []).flatMap((one) => [one.contentType, one.name]);
  return [type, from?.id, text, name, replyToId, JSON.stringify(value), ...files];
}

function answerByOf({ type, deliveryMode }: Activity): AnswerBy {
  if (type === 'invoke') return 'invoke';
  return deliveryMode === 'expectReplies' ? 'replies' : 'message';
}

/** Channels that know no conversation types say only whether it is a group. */
const isDirect = ({ conversation }: Activity): boolean =>
  conversation?.conversationType === undefined || conversation.conversationType === null
    ? conversation?.isGroup !== true
    : conversation.conversationType === 'personal';

export const authorOf = (id: string | undefined): Author =>
  id === undefined ? { id: 'unknown', kind: 'unknown' } : { id, kind: 'user' };

function referenceOf(
  { serviceUrl, recipient }: Activity,
  conversationId: string,
  activityId: string | undefined,
): ConversationReference {
  const bot = present(recipient?.id);
  return {
    serviceUrl: serviceUrl ?? '',
    conversationId,
    ...(activityId !== undefined && { activityId }),
    ...(bot !== undefined && { bot: { id: bot } }),
  };
}
