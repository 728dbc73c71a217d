import { type CallOutcome, failureOfAnswer, failureOfThrown } from '../../../net/call-outcome.ts';
import type { ConversationReference } from './destination.ts';
import { passingStatuses } from './outcome.ts';

export interface ConnectorPost {
  readonly reference: ConversationReference;
  /** A message in Teams' Markdown, or the sign that the bot is at it, which Teams takes away by itself. */
  readonly activity: { readonly type: 'message'; readonly text: string } | { readonly type: 'typing' };
  readonly token: string;
  readonly signal: AbortSignal;
  /** `PostCall.fence` of a reply; a typing sign needs none. */
  readonly fence?: () => void;
}

/** Posts one activity through the Bot connector, once. Never throws: what went wrong is the outcome. */
export type PostActivity = (post: ConnectorPost) => Promise<CallOutcome<null>>;

/** The caller has checked that the reference's service URL may have the token. `fetch` reads bodies to their end. */
export function createConnector(fetch: typeof globalThis.fetch): PostActivity {
  return async ({ reference, activity, token, signal, fence }) => {
    try {
      fence?.();
      const response = await fetch(activityUrl(reference), {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(activityOf(reference, activity)),
        // The token is for this host and for no other it may name.
        redirect: 'manual',
        signal,
      });
      if (response.ok) return { kind: 'ok', value: null };
      return failureOfAnswer(response, passingStatuses);
    } catch (error) {
      return failureOfThrown(error);
    }
  };
}

/** "Reply to activity", or "send to conversation" where there is nothing to reply to. */
function activityUrl({ serviceUrl, conversationId, activityId }: ConversationReference): string {
  const base = serviceUrl.endsWith('/') ? serviceUrl : `${serviceUrl}/`;
  const activities = `${base}v3/conversations/${encodeURIComponent(conversationId)}/activities`;
  return activityId === undefined ? activities : `${activities}/${encodeURIComponent(activityId)}`;
}

function activityOf(
  { conversationId, activityId, bot }: ConversationReference,
  activity: ConnectorPost['activity'],
): object {
  return {
    ...activity,
    ...(activity.type === 'message' && { textFormat: 'markdown' }),
    conversation: { id: conversationId },
    ...(bot !== undefined && { from: bot }),
    ...(activityId !== undefined && { replyToId: activityId }),
  };
}
