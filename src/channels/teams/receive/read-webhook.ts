import { present } from '../ids.ts';
import type { Candidate } from './candidate.ts';
import type { Activity } from './payload.ts';
import { authorOf } from './read-activity.ts';
import { type TeamsReason, whyIgnoreAuthor } from './relevance.ts';
import { withoutLeadingMention } from './text.ts';

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
