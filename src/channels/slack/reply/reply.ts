import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { CallOutcome } from '../../../net/call-outcome.ts';
import type { Sealer } from '../../../scrub/seal.ts';
import type { Replier, ReplyContext, ReplyMessage, ReplyResult, SendContext } from '../../channel.ts';
import type { SlackInstallation } from '../installation.ts';
import { createAccounts } from './account.ts';
import { type Destination, destinationSchema } from './destination.ts';
import { findReply, METADATA_TYPE } from './find-reply.ts';
import { replyError } from './outcome.ts';
import { renderMrkdwn } from './render.ts';
import { createResponseUrlPost } from './response-url.ts';
import { PACE_MS, splitReply } from './split-reply.ts';
import { createWebApi } from './web-api.ts';

export interface SlackReplierDeps {
  /** `SLACK_API_URL`, `https://slack.com/api/` unless a local server stands in. */
  readonly apiUrl: string;
  readonly botToken?: string;
  /** Of all tenants; absent as in `SlackChannelDeps`. */
  readonly installations?: readonly SlackInstallation[];
  /** May reach `apiUrl` and Slack's response URLs. */
  readonly fetch: typeof globalThis.fetch;
  readonly sealer: Sealer;
  readonly logger: Logger;
}

/** Replies through Slack's own client: into the thread it was asked in, or to the `response_url` of what was pressed. */
export function createSlackReplier(deps: SlackReplierDeps): Replier {
  const callWebApi = createWebApi(deps.apiUrl, deps.fetch);
  const findAccount = createAccounts({ ...deps, callWebApi });
  const postToResponseUrl = createResponseUrlPost(deps.apiUrl, deps.fetch);

  const sendToResponseUrl = (text: string, { tenant, eventId, sealed, begin }: SendContext) => {
    const name = 'response_url';
    const capability = sealed[name];
    if (capability === undefined) throw new SallyportError('ERR_REPLY_REJECTED', 'the event has no response_url');
    return postToResponseUrl({ url: deps.sealer.open(capability, { tenant, eventId, name }), text, begin });
  };

  const sendMessage = async (text: string, destination: Destination, context: SendContext) => {
    const account = findAccount(context.tenant, destination);
    if (account === undefined) return 'unsent';
    if (destination.channel === undefined) {
      throw new SallyportError('ERR_REPLY_REJECTED', 'the event happened nowhere that could be replied to');
    }
    const { token } = account;
    const options = messageArguments(text, destination, context.replyId);
    const { signal, begin } = context;
    return callWebApi({ method: 'chat.postMessage', token, arguments: options, signal, begin });
  };

  return {
    paceMs: PACE_MS,
    split: (text, destination) => splitReply(text, destinationSchema.safeParse(destination).data?.via),

    async send(message: ReplyMessage, context: SendContext): Promise<ReplyResult> {
      if (context.signal.aborted)
        throw new SallyportError('ERR_REPLY_UNAVAILABLE', 'the run was stopped before replying');
      const destination = readDestination(context);
      const text = renderMrkdwn(message.text);
      const outcome =
        destination.via === 'response_url'
          ? await sendToResponseUrl(text, context)
          : await sendMessage(text, destination, context);
      return outcome === 'unsent' ? { kind: 'unsent' } : report(outcome, context, deps.logger);
    },

    async find(context, sinceMs) {
      const destination = readDestination(context);
      const account = findAccount(context.tenant, destination);
      // What was posted to a response_url is shown to one user and to nobody else, us included; and a message addressed
      // to a user lies in a channel whose id we do not have.
      const isVisible = destination.via === 'message' && !destination.channel?.match(/^[UW]/);
      if (!isVisible || account === undefined || destination.channel === undefined) return 'unknown';
      const { replyId, signal } = context;
      return findReply({ destination, account, replyId, sinceMs, signal }, callWebApi);
    },
  };
}

function readDestination({ destination }: ReplyContext): Destination {
  const parsed = destinationSchema.safeParse(destination).data;
  if (parsed === undefined) throw new SallyportError('ERR_REPLY_REJECTED', 'the destination is not a Slack one');
  return parsed;
}

const messageArguments = (text: string, { channel, thread }: Destination, replyId: string) => ({
  channel,
  thread_ts: thread,
  text,
  metadata: { event_type: METADATA_TYPE, event_payload: { reply_id: replyId } },
  // Else `@name` in the text would call people and groups.
  link_names: false,
  // Slack would fetch every link in the text: a way out for whatever an agent was talked into putting there.
  unfurl_links: false,
  unfurl_media: false,
});

/** @throws SallyportError ERR_REPLY_UNAVAILABLE or ERR_REPLY_REJECTED */
function report(outcome: CallOutcome<unknown>, { eventId, tenant }: ReplyContext, logger: Logger): ReplyResult {
  if (outcome.kind === 'ok') return { kind: 'delivered' };
  logger.warn({ eventId, tenant, channel: 'slack', outcome: outcome.kind, why: outcome.why }, 'reply.failed');
  if (outcome.kind === 'ambiguous') return { kind: 'ambiguous' };
  throw replyError(outcome);
}
