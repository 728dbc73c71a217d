import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { CallOutcome } from '../../../net/call-outcome.ts';
import { type AccessTokens, type ClientCredentials, createAccessTokens } from '../../../net/client-credentials.ts';
import type { Sealer } from '../../../scrub/seal.ts';
import type { Replier, ReplyContext, ReplyMessage, ReplyResult, SendContext, WorkingContext } from '../../channel.ts';
import { type ConnectorPost, createConnector, type PostActivity } from './connector.ts';
import {
  type ConversationReference,
  type Destination,
  destinationSchema,
  REFERENCE,
  referenceSchema,
} from './destination.ts';
import { replyError } from './outcome.ts';
import { renderTeamsMarkdown } from './render.ts';
import { createServiceHosts, defaultServiceHosts, type IsServiceAllowed } from './service-hosts.ts';
import { PACE_MS, splitReply } from './split-reply.ts';

export interface TeamsReplierDeps {
  /** Absent: replies are kept, not posted. */
  readonly credentials?: Omit<ClientCredentials, 'clock'>;
  /** Hosts that may have the bot's token; `defaultServiceHosts` when absent. */
  readonly serviceHosts?: readonly string[];
  /** For the connector. Must not follow redirects of a POST. */
  readonly fetch: typeof globalThis.fetch;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Account {
  readonly tokens: AccessTokens;
  readonly post: PostActivity;
  readonly isServiceAllowed: IsServiceAllowed;
}

/** Replies into the conversation through the Bot connector. What was answered in a response is not posted again. */
export function createTeamsReplier(deps: TeamsReplierDeps): Replier {
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
      const activity = { type: 'message', text: renderTeamsMarkdown(message.text) } as const;
      const outcome = await postOnce(activity, openReference(context, deps.sealer), context, account);
      if (outcome.kind === 'ok') return { kind: 'delivered' };
      const { eventId, tenant } = context;
      deps.logger.warn({ eventId, tenant, channel: 'teams', outcome: outcome.kind, why: outcome.why }, 'reply.failed');
      if (outcome.kind === 'ambiguous') return { kind: 'ambiguous' };
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
  { tokens, post, isServiceAllowed }: Account,
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
