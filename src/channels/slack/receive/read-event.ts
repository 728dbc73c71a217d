import type { JsonValue } from '../../../core/json/json.ts';
import { present } from '../ids.ts';
import { type Candidate, isDirectChannel, placeOfMessage, placeOfOther } from './candidate.ts';
import { type Envelope, type MessageEvent, messageSchema, type OtherEvent, otherEventSchema } from './payload.ts';
import { botOf, type OwnIds, type SlackReason, whyIgnoreMessage, whyIgnoreOther } from './relevance.ts';

/** An Events API delivery as a candidate, or why it is none. `sent` is its event with all it holds. */
export function readEvent(
  envelope: Envelope,
  sent: JsonValue | undefined,
  own: OwnIds,
  workspace: string | undefined,
  allowBots: ReadonlySet<string>,
): Candidate | SlackReason {
  const { type } = envelope.event;
  if (type !== 'message' && type !== 'app_mention') return readOther(envelope, sent, own, workspace);
  const event = messageSchema.safeParse(sent).data;
  if (event === undefined) return 'unprocessable';
  return whyIgnoreMessage(event, own, allowBots) ?? readMessage(event, own);
}

/**
 * `message` and `app_mention` are two events about one post. Both become a `message` with the key (app, channel, ts), so
 * that whichever comes first is run.
 */
function readMessage(event: MessageEvent, own: OwnIds): Candidate | SlackReason {
  const channel = present(event.channel);
  const ts = present(event.ts);
  const bot = botOf(event);
  const author = bot ?? present(event.user);
  if (channel === undefined || ts === undefined || author === undefined) return 'unprocessable';
  const text = event.text ?? '';
  const thread = present(event.thread_ts);
  const direct = event.channel_type === 'im' || isDirectChannel(channel);
  const files = (event.files ?? []).map((file) => file.id ?? '');
  return {
    kind: 'message',
    eventType: event.type,
    mentioned: event.type === 'app_mention' || names(text, own.botUserId),
    direct,
    author: { id: author, kind: bot === undefined ? 'user' : 'app' },
    text,
    semantic: ['message', channel, ts],
    content: [author, text, thread ?? ts, ...files],
    repeats: 'events',
    place: placeOfMessage(channel, thread ?? ts, thread, direct),
    responseUrl: undefined,
    triggerId: undefined,
  };
}

/** `<@U123>`, or `<@U123|name>` as older clients write it. */
const names = (text: string, botUserId: string | undefined): boolean =>
  botUserId !== undefined && (text.includes(`<@${botUserId}>`) || text.includes(`<@${botUserId}|`));

function readOther(
  envelope: Envelope,
  sent: JsonValue | undefined,
  own: OwnIds,
  workspace: string | undefined,
): Candidate | SlackReason {
  const event = otherEventSchema.safeParse(sent).data;
  const eventId = present(envelope.event_id);
  if (event === undefined || eventId === undefined) return 'unprocessable';
  const user = idOf(event.user) ?? present(event.user_id);
  const ignored = whyIgnoreOther(event, user, own);
  if (ignored !== undefined) return ignored;
  const place = placeOfOther(channelOf(event), user, workspace);
  return {
    kind: event.type,
    eventType: event.type,
    mentioned: false,
    direct: false,
    author: user === undefined ? { id: 'unknown', kind: 'unknown' } : { id: user, kind: 'user' },
    text: '',
    semantic: ['event', eventId],
    content: [JSON.stringify(sent)],
    repeats: 'events',
    place,
    responseUrl: undefined,
    triggerId: undefined,
  };
}

const channelOf = (event: OtherEvent): string | undefined =>
  idOf(event.channel) ?? present(event.channel_id) ?? present(event.item?.channel);

/** Some events send a whole user or channel where others send its id. */
const idOf = (value: OtherEvent['user']): string | undefined => present(typeof value === 'object' ? value?.id : value);
