import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { Author } from '../../../core/event.ts';
import type { IdentityPart } from '../../../core/identity.ts';
import { decodeText, isJsonObject, type JsonObject, parseJsonText } from '../../../core/json/json-text.ts';
import type { ConversationReference } from '../reply/destination.ts';
import {
  type AnswerBy,
  type Candidate,
  hasSafeIds,
  isSignIn,
  present,
  type TeamsReason,
  whyIgnoreAuthor,
  whyIgnoreTenant,
} from './candidate.ts';
import { isCapability } from './identify.ts';
import { type Activity, activitySchema, envelopeSchema, mentionSchema } from './payload.ts';

/** @throws SallyportError ERR_BODY_UNPARSABLE unless the bytes are a JSON object */
export function parseBody(body: Uint8Array): JsonObject {
  const value = parseJsonText(decodeText(body));
  if (isJsonObject(value)) return value;
  throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is not an activity');
}

/**
 * An activity without a type or a conversation is no activity at all.
 * @throws SallyportError ERR_BODY_UNPARSABLE
 */
export function checkEnvelope(payload: JsonObject): void {
  if (envelopeSchema.safeParse(payload).success) return;
  throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body is not an activity');
}

/** Reads a verified body: what it is and whether it could matter. Claims nothing. */
export function parse(
  payload: JsonObject,
  read: (activity: Activity) => Candidate | TeamsReason,
): Candidate | TeamsReason {
  const activity = activitySchema.safeParse(payload).data;
  if (activity === undefined) return 'unprocessable';
  const candidate = read(activity);
  if (typeof candidate === 'string') return candidate;
  return hasSafeIds(candidate) ? candidate : 'bad_routing_id';
}

interface OwnBot {
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

const authorOf = (id: string | undefined): Author =>
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
    ...defined({ activityId }),
    ...(bot !== undefined && { bot: { id: bot } }),
  };
}

/** What an outgoing webhook sends, as a candidate, or why it is none. Its HMAC covers all of it. */
export function readWebhook(activity: Activity): Candidate | TeamsReason {
  const ignored = whyIgnoreAuthor(activity, undefined);
  if (ignored !== undefined) return ignored;
  if (activity.type !== 'message') return 'unknown_type';
  const id = present(activity.id);
  if (id === undefined) return 'unprocessable';
  const author = present(activity.from?.id);
  // Without a place it is a conversation of its own: there is nobody else to keep in line with.
  const conversation = present(activity.conversation?.id) ?? id;
  return {
    activityType: 'message',
    // Teams calls a webhook when somebody names it, and never otherwise.
    mentioned: true,
    direct: false,
    author: authorOf(author),
    text: withoutLeadingMention(activity.text ?? ''),
    semantic: ['webhook', conversation, id],
    content: [activity.from?.id, activity.text, activity.replyToId],
    conversation,
    ids: author === undefined ? [conversation, id] : [conversation, id, author],
    answerBy: 'webhook',
    operation: '',
    reference: undefined,
  };
}

interface Said {
  readonly text: string;
  /** The message names our bot. */
  readonly mentioned: boolean;
}

/** A message of Teams has 28 KB; nobody mentions more people in it than that, and each one is a search through the text. */
const MAX_ENTITIES = 256;

/** A message's text without the mentions of our bot, which say to whom it was said and not what. */
function readText(activity: Activity, isOwnId: (id: string) => boolean): Said {
  let text = activity.text ?? '';
  let mentioned = false;
  for (const entity of (activity.entities ?? []).slice(0, MAX_ENTITIES)) {
    const mention = mentionSchema.safeParse(entity).data;
    if (mention === undefined || !isOwnId(mention.mentioned.id)) continue;
    mentioned = true;
    text = text.replaceAll(mention.text, ' ');
  }
  return { text: tidy(text), mentioned };
}

/** Teams writes a webhook's own name in front of what was said; an outgoing webhook is always addressed. */
const withoutLeadingMention = (text: string): string => tidy(text.replace(/^\s*<at\b[^>]*>[^<]*<\/at>/i, ' '));

/** Mentions leave HTML's spaces around them, even in plain text. */
const tidy = (text: string): string => text.replace(/(?:&nbsp;|\u00a0)/gi, ' ').trim();

/**
 * What somebody pressed or filled in, one value a line: a card's inputs, a search box's words. '' when there is none.
 * The operation decides where Teams puts it: `value.action.data` (cards), `value.parameters` (searches), `value.data`.
 */
function textOfValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!isJsonObject(value)) return '';
  if (Array.isArray(value.parameters)) {
    const given = value.parameters.map((one: unknown) => (isJsonObject(one) ? one.value : undefined));
    return given.filter(isText).join('\n');
  }
  const data = (isJsonObject(value.action) ? value.action.data : undefined) ?? value.data ?? value;
  if (typeof data === 'string') return data;
  if (!isJsonObject(data)) return '';
  const named = Object.entries(data).filter(([name]) => !isCapability(name));
  return named.flatMap(([, given]) => (isText(given) ? [given] : [])).join('\n');
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
