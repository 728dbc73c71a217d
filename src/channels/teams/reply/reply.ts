import type { Clock } from '../../../core/clock.ts';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import {
  type CallFailure,
  type CallOutcome,
  detailOf,
  failureOfAnswer,
  failureOfThrown,
} from '../../../net/call-outcome.ts';
import { type AccessTokens, type ClientCredentials, createAccessTokens } from '../../../net/client-credentials.ts';
import type { Sealer } from '../../../scrub/seal.ts';
import type { Replier, ReplyContext, ReplyMessage, ReplyResult, SendContext, WorkingContext } from '../../channel.ts';
import { readMarkdown } from '../../shared/markdown/read.ts';
import { splitMarkdown } from '../../shared/markdown/split.ts';
import {
  type ConversationReference,
  type Destination,
  destinationSchema,
  REFERENCE,
  referenceSchema,
} from './destination.ts';
import { type AiLabel, aiLabel, renderTeams } from './render.ts';
import { createServiceHosts, defaultServiceHosts, type IsServiceAllowed } from './service-hosts.ts';

/** Replies into the conversation through the Bot connector. What was answered in a response is not posted again. */
export function createTeamsReplier(deps: {
  /** Absent: replies are kept, not posted. */
  readonly credentials?: Omit<ClientCredentials, 'clock'>;
  /** Hosts that may have the bot's token; `defaultServiceHosts` when absent. */
  readonly serviceHosts?: readonly string[];
  /** For the connector. Must not follow redirects of a POST. */
  readonly fetch: typeof globalThis.fetch;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly logger: Logger;
}): Replier {
  const { credentials, clock } = deps;
  const account = credentials && {
    tokens: createAccessTokens({ ...credentials, clock }),
    post: createConnector(deps.fetch),
    isServiceAllowed: createServiceHosts(deps.serviceHosts ?? defaultServiceHosts),
  };
  return {
    paceMs: PACE_MS,
    // What is given in the response is one message, and Teams cuts it.
    split: (text, { via }) => (via === 'response' ? [text] : splitReply(text)),

    async send(message: ReplyMessage, context: SendContext): Promise<ReplyResult> {
      const { via, until = Number.POSITIVE_INFINITY } = readDestination(context);
      // Nobody waits for it any more, and there is nowhere else to say it.
      if (via === 'response') return { kind: clock() <= until ? 'in_response' : 'unsent' };
      if (account === undefined) return { kind: 'unsent' };
      if (context.signal.aborted) {
        throw new SallyportError('ERR_REPLY_UNAVAILABLE', 'the run was stopped before replying');
      }
      const text = renderTeams(readMarkdown(message.text));
      const activity = { type: 'message', text, ...aiLabel(message.disclosure) } as const;
      const outcome = await postOnce(activity, openReference(context, deps.sealer), context, account);
      if (outcome.kind === 'ok') return { kind: 'delivered' };
      const { eventId, tenant } = context;
      deps.logger.warn({ eventId, tenant, channel: 'teams', outcome: outcome.kind, why: outcome.why }, 'reply.failed');
      if (outcome.kind === 'ambiguous') return { kind: 'ambiguous', why: outcome.why };
      throw replyError(outcome);
    },

    // The connector takes messages and updates them, but shows none: nobody can be asked whether one arrived.
    // What is said in the response has no effect to be found.
    find: async (context) => (readDestination(context).via === 'response' ? 'absent' : 'unknown'),

    async showWorking(context) {
      if (account === undefined || readDestination(context).via === 'response') return;
      await postOnce({ type: 'typing' }, openReference(context, deps.sealer), context, account);
    },
  };
}

function readDestination({ destination }: Pick<ReplyContext, 'destination'>): Destination {
  const parsed = destinationSchema.safeParse(destination).data;
  if (parsed === undefined) throw new SallyportError('ERR_REPLY_REJECTED', 'the destination is not a Teams one');
  return parsed;
}

/** A reply begins its call when the token is there; a typing sign has no `begin`. */
async function postOnce(
  activity: ConnectorPost['activity'],
  reference: ConversationReference,
  { signal, begin }: Pick<WorkingContext, 'signal'> & Partial<Pick<SendContext, 'begin'>>,
  {
    tokens,
    post,
    isServiceAllowed,
  }: {
    readonly tokens: AccessTokens;
    readonly post: PostActivity;
    readonly isServiceAllowed: IsServiceAllowed;
  },
): Promise<CallOutcome<null>> {
  // Checked again here: the list may have become shorter since the activity was taken.
  if (!isServiceAllowed(reference.serviceUrl)) return { kind: 'rejected', why: 'service_host' };
  const token = await tokens.get();
  if (token.kind !== 'ok') return token;
  if (signal.aborted) return { kind: 'unavailable', why: 'stopped' };
  const call = begin === undefined ? { signal } : await begin();
  const outcome = await post({ reference, activity, token: token.value, ...call });
  if (outcome.kind === 'unavailable' && outcome.why === 'http_401') tokens.drop(token.value);
  return outcome;
}

function openReference({ tenant, eventId, sealed }: WorkingContext, sealer: Sealer): ConversationReference {
  const capability = sealed[REFERENCE];
  if (capability === undefined) throw new SallyportError('ERR_REPLY_REJECTED', 'the event names no conversation');
  return referenceSchema.parse(JSON.parse(sealer.open(capability, { tenant, eventId, name: REFERENCE })));
}

/**
 * UTF-16 code units. Microsoft has published 28 KB, 40 KB and 100 KB for a bot's message, counted in UTF-16 with all that
 * is around the text, and 80 KB as safe (learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages).
 * 24 KB of text is below each of them.
 */
const MESSAGE_CHARS = 12_000;

/** As in Slack: one reply does not fill a channel. */
const MAX_MESSAGES = 10;

/** Eight messages in two seconds to one conversation (learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit). */
const PACE_MS = 300;

/** The messages that a reply becomes in Teams, each Markdown. */
const splitReply = (text: string): readonly string[] =>
  splitMarkdown(text, {
    size: MESSAGE_CHARS,
    messages: MAX_MESSAGES,
    sizeOf: (markdown) => renderTeams(readMarkdown(markdown)).length,
  });

interface ConnectorPost {
  readonly reference: ConversationReference;
  /** A message in Teams' Markdown, or the sign that the bot is at it, which Teams takes away by itself. */
  readonly activity: ({ readonly type: 'message'; readonly text: string } & AiLabel) | { readonly type: 'typing' };
  readonly token: string;
  readonly signal: AbortSignal;
  /** `PostCall.fence` of a reply; a typing sign needs none. */
  readonly fence?: () => void;
}

/** Posts one activity through the Bot connector, once. Never throws: what went wrong is the outcome. */
type PostActivity = (post: ConnectorPost) => Promise<CallOutcome<null>>;

/** The caller has checked that the reference's service URL may have the token. `fetch` reads bodies to their end. */
function createConnector(fetch: typeof globalThis.fetch): PostActivity {
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
    ...defined({ from: bot, replyToId: activityId }),
  };
}

/**
 * Refusals that pass: throttling (429), a conversation that is being written to (412), and a token that was revoked
 * (401), for which the next attempt gets another one.
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit
 * Microsoft says to retry after a 5xx as well, but the connector knows no idempotency key, so that would at times post a
 * message twice.
 */
const passingStatuses: ReadonlySet<number> = new Set([401, 412, 429]);

/** The error a reply ends in. */
const replyError = (failure: Exclude<CallFailure, { kind: 'ambiguous' }>): SallyportError =>
  failure.kind === 'rejected'
    ? new SallyportError('ERR_REPLY_REJECTED', 'Teams refuses the reply', detailOf(failure))
    : new SallyportError('ERR_REPLY_UNAVAILABLE', 'Teams did not take the reply', detailOf(failure));
