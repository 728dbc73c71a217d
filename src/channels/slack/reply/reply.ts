import * as z from 'zod';
import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { parseUrl } from '../../../core/text/url.ts';
import { type CallOutcome, failureOfAnswer, failureOfThrown } from '../../../net/call-outcome.ts';
import type { Sealer } from '../../../scrub/seal.ts';
import type { PostCall, Replier, ReplyContext, ReplyMessage, ReplyResult, SendContext } from '../../channel.ts';
import { splitMarkdown } from '../../shared/markdown/split.ts';
import { createInstallationTable, type SlackInstallation } from '../installation.ts';
import { SLACK_API_URL } from '../settings.ts';
import {
  type BotIds,
  type Destination,
  destinationSchema,
  findReply,
  METADATA_TYPE,
  type ReplyAccount,
} from './find-reply.ts';
import { renderMrkdwn } from './render.ts';
import { type CallWebApi, createWebApi, failureOfError, passingStatuses, replyError } from './web-api.ts';

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

  const sendToResponseUrl = (message: SlackMessage, { tenant, eventId, sealed, begin }: SendContext) => {
    const name = 'response_url';
    const capability = sealed[name];
    if (capability === undefined) throw new SallyportError('ERR_REPLY_REJECTED', 'the event has no response_url');
    return postToResponseUrl({ url: deps.sealer.open(capability, { tenant, eventId, name }), message, begin });
  };

  const sendMessage = async (message: SlackMessage, destination: Destination, context: SendContext) => {
    const account = findAccount(context.tenant, destination);
    if (account === undefined) return 'unsent';
    if (destination.channel === undefined) {
      throw new SallyportError('ERR_REPLY_REJECTED', 'the event happened nowhere that could be replied to');
    }
    const { token } = account;
    const options = messageArguments(message, destination, context.replyId);
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
      const posted = { text: renderMrkdwn(message.text), ...disclosed(message.disclosure) };
      const outcome =
        destination.via === 'response_url'
          ? await sendToResponseUrl(posted, context)
          : await sendMessage(posted, destination, context);
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

interface SlackMessage {
  readonly text: string;
  readonly attachments?: readonly object[];
}

/**
 * A context block below the text. It is in an attachment, because blocks of the message itself would be shown instead of
 * the text, and a block of text is shorter than a message may be. Plain text: no sign in it has a meaning.
 */
const disclosed = (disclosure: string | undefined): Pick<SlackMessage, 'attachments'> =>
  disclosure === undefined
    ? {}
    : {
        attachments: [
          {
            fallback: disclosure,
            blocks: [{ type: 'context', elements: [{ type: 'plain_text', text: disclosure, emoji: false }] }],
          },
        ],
      };

const messageArguments = (message: SlackMessage, { channel, thread }: Destination, replyId: string) => ({
  channel,
  thread_ts: thread,
  ...message,
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
  if (outcome.kind === 'ambiguous') return { kind: 'ambiguous', why: outcome.why };
  throw replyError(outcome);
}

interface AccountDeps {
  /** For workspaces without a token of their own, and for all of them where no installation is configured. */
  readonly botToken?: string;
  readonly installations?: readonly SlackInstallation[];
  readonly callWebApi: CallWebApi;
}

/** Finds the account to answer a destination with; undefined when there is no token. */
type FindAccount = (tenant: string, destination: Destination) => ReplyAccount | undefined;

const identitySchema = z.looseObject({ user_id: z.string().optional(), bot_id: z.string().optional() });

function createAccounts({ botToken, installations, callWebApi }: AccountDeps): FindAccount {
  const find = installations && createInstallationTable(installations);
  const askedFor = new Map<string, BotIds>();
  const ask = async (token: string, signal: AbortSignal): Promise<BotIds | undefined> => {
    const known = askedFor.get(token);
    if (known !== undefined) return known;
    const outcome = await callWebApi({ method: 'auth.test', token, arguments: {}, signal });
    const identity = outcome.kind === 'ok' ? identitySchema.safeParse(outcome.value).data : undefined;
    if (identity === undefined) return undefined;
    // A token's identity never changes, so it is asked for once; a failure is not remembered.
    const ids: BotIds = { botUserId: identity.user_id, botId: identity.bot_id };
    askedFor.set(token, ids);
    return ids;
  };
  return (tenant, { app, workspace }) => {
    const entry = find?.({ appId: app, installedIn: workspace });
    if (find !== undefined && entry?.tenant !== tenant) return undefined;
    const token = entry?.botToken ?? botToken;
    if (token === undefined) return undefined;
    const { botUserId, botId } = entry ?? {};
    const isKnown = botUserId !== undefined && botId !== undefined;
    return { token, ownIds: async (signal) => (isKnown ? { botUserId, botId } : ask(token, signal)) };
  };
}

/** Where Slack's response URLs lead, GovSlack's included. Whoever could name another host would have us post to it. */
const hosts: ReadonlySet<string> = new Set(['hooks.slack.com', 'hooks.slack-gov.com']);

interface ResponseUrlPost {
  readonly url: string;
  readonly message: SlackMessage;
  readonly begin: () => Promise<PostCall>;
}

/** Posts to a `response_url` once. Throws only what `begin` throws: what went wrong is the outcome. */
type PostToResponseUrl = (post: ResponseUrlPost) => Promise<CallOutcome<null>>;

/** `apiUrl` is `SLACK_API_URL`; when it names another server, that server's own host and port are allowed as well. */
function createResponseUrlPost(apiUrl: string, fetch: typeof globalThis.fetch): PostToResponseUrl {
  const origin = apiUrl === SLACK_API_URL ? undefined : new URL(apiUrl).origin;
  return async ({ url, message, begin }) => {
    if (!isAllowed(url, origin)) return { kind: 'rejected', why: 'response_url_host' };
    const { signal, fence } = await begin();
    try {
      fence();
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8' },
        // Only the user who asked sees it, and the message with the button stays.
        body: JSON.stringify({ ...message, response_type: 'ephemeral', replace_original: false }),
        redirect: 'manual',
        signal,
      });
      return await outcomeOf(response);
    } catch (error) {
      return failureOfThrown(error);
    }
  };
}

function isAllowed(url: string, origin: string | undefined): boolean {
  const parsed = parseUrl(url);
  if (parsed === null || parsed.username !== '' || parsed.password !== '') return false;
  return parsed.origin === origin || (parsed.protocol === 'https:' && hosts.has(parsed.host));
}

/** `ok` as text when it worked; a used or expired URL is answered 404, or 200 with `{"ok":false,"error":…}`. */
async function outcomeOf(response: Response): Promise<CallOutcome<null>> {
  const body = await response.text();
  if (!response.ok) return failureOfAnswer(response, passingStatuses);
  const error = /^\s*\{\s*"ok"\s*:\s*false\s*,\s*"error"\s*:\s*"([a-z_]{1,64})"/.exec(body)?.[1];
  return error === undefined ? { kind: 'ok', value: null } : failureOfError(error);
}

/**
 * "For best results, limit the number of characters in the text field to 4,000"; Slack cuts after 40,000
 * (docs.slack.dev/reference/methods/chat.postMessage).
 */
const MESSAGE_CHARS = 4_000;

/** So that one reply does not fill a channel, and ends before the pace has held it up for long. */
const MAX_MESSAGES = 10;

/** "One message per second per channel" (docs.slack.dev/apis/web-api/rate-limits). */
const PACE_MS = 1_000;

/** A `response_url` may be used five times (docs.slack.dev/interactivity/handling-user-interaction). */
const MAX_RESPONSES = 5;

/** The messages that a reply becomes in Slack, each Markdown. */
export const splitReply = (text: string, via: Destination['via'] | undefined): readonly string[] =>
  splitMarkdown(text, {
    size: MESSAGE_CHARS,
    messages: via === 'response_url' ? MAX_RESPONSES : MAX_MESSAGES,
    sizeOf: (markdown) => renderMrkdwn(markdown).length,
  });
