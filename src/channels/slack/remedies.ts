import type { Remedies } from '../../core/remedies.ts';

const INVITE = 'invite the app to the channel (`/invite @app`), then redrive';
const TOKEN = 'set `SLACK_BOT_TOKEN` to the bot token of an installed app, then redrive';
const GONE = 'the conversation is gone or was never shown to the app; park the event for good';
const PLACE = 'have an administrator let the app write in this conversation, then redrive';
const WAIT = 'redrive once the rate limit is over';
const BUSY = 'wait: Slack failed half way, and the next attempt asks it whether the reply was posted';

/** By Slack's `error` (docs.slack.dev/reference/methods/chat.postMessage). */
export const slackRemedies: Remedies = {
  not_in_channel: INVITE,
  channel_not_found: 'invite the app to the channel, or check that the token is of this workspace, then redrive',
  is_archived: GONE,
  user_not_found: GONE,
  cannot_dm_bot: GONE,
  invalid_auth: TOKEN,
  not_authed: TOKEN,
  token_revoked: TOKEN,
  token_expired: TOKEN,
  account_inactive: TOKEN,
  missing_scope: 'add the scope `chat:write` to the app and install it again, then redrive',
  restricted_action: PLACE,
  restricted_action_read_only_channel: PLACE,
  restricted_action_thread_only_channel: PLACE,
  team_access_not_granted:
    'have an administrator of the organisation grant the app access to the workspace, then redrive',
  ekm_access_denied: 'have an administrator restore access to the encryption keys of the workspace, then redrive',
  msg_too_long: 'have the agent answer more briefly, then redrive',
  no_text: 'have the agent answer with text, then redrive',
  ratelimited: WAIT,
  rate_limited: WAIT,
  message_limit_exceeded: WAIT,
  internal_error: BUSY,
  fatal_error: BUSY,
  service_unavailable: BUSY,
  used_url: 'the button was pressed too long ago; have the person press it again',
  expired_url: 'the button was pressed too long ago; have the person press it again',
  response_url_host: 'set `SLACK_API_URL` to the server that gave the response URL',
  no_slack_answer: 'check that `SLACK_API_URL` is Slack and not a proxy that answers for it, then redrive',
};
