import type { IdentityPart } from '../../../core/identity.ts';
import { present } from '../ids.ts';
import { textOfInteraction } from '../text.ts';
import { type Candidate, isDirectChannel, type Place, placeOfMessage, placeOfOther } from './candidate.ts';
import type { Command, Interaction } from './payload.ts';
import type { SlackReason } from './relevance.ts';

/** A slash command: one conversation for each user in a channel. */
export function readCommand(command: Command): Candidate | SlackReason {
  const trigger = present(command.trigger_id);
  const responseUrl = present(command.response_url);
  if (trigger === undefined && responseUrl === undefined) return 'unprocessable';
  const { channel_id: channel, user_id: user } = command;
  return {
    kind: 'command',
    eventType: 'slash_command',
    mentioned: true,
    direct: isDirectChannel(channel),
    author: { id: user, kind: 'user' },
    text: command.text,
    semantic: trigger === undefined ? ['command', 'response_url', responseUrl] : ['command', trigger],
    content: [user, channel, command.command, command.text],
    repeats: 'interactions',
    place: {
      conversation: `${channel}:${user}`,
      channel,
      thread: undefined,
      ids: [channel, user],
      timestamps: [],
    },
    responseUrl,
    triggerId: trigger,
  };
}

/** Our kind for each of Slack's interaction types. */
const kinds: Readonly<Record<string, string>> = {
  block_actions: 'action',
  interactive_message: 'action',
  shortcut: 'shortcut',
  message_action: 'shortcut',
  view_submission: 'view',
  view_closed: 'view',
  dialog_submission: 'view',
  dialog_cancellation: 'view',
};

export const isInteraction = (type: string): boolean => Object.hasOwn(kinds, type);

/** Anything a user pressed or submitted, as a candidate, or why it is none. */
export function readInteraction(payload: Interaction, workspace: string | undefined): Candidate | SlackReason {
  const semantic = identityOf(payload);
  if (semantic === undefined) return 'unprocessable';
  const place = placeOf(payload, workspace);
  return {
    kind: kinds[payload.type] ?? payload.type,
    eventType: payload.type,
    mentioned: false,
    direct: place.channel !== undefined && isDirectChannel(place.channel),
    author: { id: payload.user.id, kind: 'user' },
    text: textOfInteraction(payload),
    semantic: [payload.type, ...semantic],
    content: [
      payload.user.id,
      payload.callback_id,
      JSON.stringify([payload.actions, payload.view?.state, payload.submission]),
    ],
    repeats: 'interactions',
    place,
    responseUrl: present(payload.response_url) ?? present(payload.response_urls?.[0]?.response_url),
    triggerId: present(payload.trigger_id),
  };
}

/**
 * `trigger_id` is new for every press; where Slack sends none (views being closed, steps of workflows, dialogs), what was
 * pressed and when. Undefined when a payload has neither.
 */
function identityOf(payload: Interaction): readonly IdentityPart[] | undefined {
  const { view, user } = payload;
  const trigger = present(payload.trigger_id);
  if (trigger !== undefined && payload.type !== 'view_closed') return [trigger];
  if (payload.type === 'view_submission' || payload.type === 'view_closed') {
    const [id, hash] = [present(view?.id), present(view?.hash)];
    return id !== undefined && hash !== undefined ? ['view', id, hash] : undefined;
  }
  const action = payload.actions?.[0];
  const at = present(action?.action_ts) ?? present(payload.action_ts);
  const on = present(payload.container?.message_ts) ?? messageTs(payload) ?? present(payload.container?.view_id);
  const what = present(action?.action_id) ?? present(action?.name) ?? present(payload.callback_id);
  if (at === undefined || what === undefined) return undefined;
  if (kinds[payload.type] === 'action' && on === undefined) return undefined;
  return ['pressed', on, what, at, user.id];
}

const messageTs = (payload: Interaction): string | undefined =>
  present(payload.message_ts) ?? present(payload.message?.ts);

/** The thread of the message that was acted on; without a message the channel, else the user. */
function placeOf(payload: Interaction, workspace: string | undefined): Place {
  const { container } = payload;
  const channel = present(payload.channel?.id) ?? present(container?.channel_id);
  const ts = present(container?.message_ts) ?? messageTs(payload);
  if (channel === undefined || ts === undefined) return placeOfOther(channel, payload.user.id, workspace);
  const thread = present(container?.thread_ts) ?? present(payload.message?.thread_ts);
  return placeOfMessage(channel, thread ?? ts, thread, isDirectChannel(channel));
}
