import type { Crypto } from '../../core/crypto/crypto.ts';
import type { Channel, Delivery, Received } from '../channel.ts';
import { answerToBot, answerToOutgoing } from './receive/answers.ts';
import type { Candidate } from './receive/candidate.ts';
import { type IdentifyDeps, identify } from './receive/identify.ts';
import { checkEnvelope, parse, parseBody } from './receive/parse.ts';
import type { TeamsMatch } from './receive/policy.ts';
import { readActivity } from './receive/read-activity.ts';
import { readWebhook } from './receive/read-webhook.ts';
import { type TeamsReason, whyUnlisted } from './receive/relevance.ts';
import { type BotVerifierDeps, bindActivity, createBotVerifier } from './receive/verify.ts';
import { checkFreshness, createWebhookVerifier } from './receive/verify-webhook.ts';
import { respondTo } from './reply/await-answer.ts';
import { createServiceHosts, defaultServiceHosts } from './reply/service-hosts.ts';

export { type TeamsCandidate, type TeamsMatch, type TeamsMatchOptions, teamsMatchPolicy } from './receive/policy.ts';

interface CommonDeps extends Omit<IdentifyDeps, 'appName'> {
  /** Bytes. */
  readonly bodyLimit: number;
  readonly outcomeHeaders: boolean;
}

export interface TeamsBotChannelDeps extends CommonDeps, Omit<BotVerifierDeps, 'isServiceAllowed'> {
  /** The Entra tenant of a single-tenant bot. Absent: every tenant that installed the bot belongs to the route's. */
  readonly tenantId?: string;
  /** Hosts the connector's service URLs may have; `defaultServiceHosts` when absent. */
  readonly serviceHosts?: readonly string[];
  readonly match: TeamsMatch;
}

/**
 * Activities that the Bot Framework's connector posts to a bot.
 * @throws SallyportError ERR_CONFIG_INVALID for service hosts that are none
 */
export function createTeamsBotChannel(deps: TeamsBotChannelDeps): Channel {
  const isServiceAllowed = createServiceHosts(deps.serviceHosts ?? defaultServiceHosts);
  const authenticate = createBotVerifier({ ...deps, isServiceAllowed });
  const own = { appId: deps.appId, tenantId: deps.tenantId };
  const receive = (delivery: Delivery): Received => {
    const payload = parseBody(delivery.body);
    bindActivity(delivery.proof, payload);
    checkEnvelope(payload);
    const candidate = parse(payload, (activity) => readActivity(activity, own));
    if (typeof candidate === 'string') return refusedAs(candidate);
    if (!deps.match(candidate)) return refusedAs(whyUnlisted(candidate.activityType));
    return received(candidate, identify(candidate, payload, delivery, { ...deps, appName: deps.appId }));
  };
  const { bodyLimit, outcomeHeaders } = deps;
  const acknowledge = () => ({ status: 202 });
  return { name: 'teams', bodyLimit, outcomeHeaders, authenticate, receive, acknowledge, refuse: answerToBot };
}

export interface TeamsOutgoingChannelDeps extends CommonDeps {
  readonly crypto: Crypto;
  /** Security tokens, decoded: one for each webhook, or several while one replaces another. */
  readonly keys: readonly Uint8Array[];
}

/** Stands for all outgoing webhooks of a tenant in identities. */
const WEBHOOKS = 'outgoing-webhook';

/**
 * Outgoing webhooks: messages of a team's channel that name the webhook, answered in the response.
 * @throws SallyportError ERR_CONFIG_INVALID without a key
 */
export function createTeamsOutgoingChannel(deps: TeamsOutgoingChannelDeps): Channel {
  const verify = createWebhookVerifier(deps.crypto, deps.keys);
  const receive = (delivery: Delivery): Received => {
    verify(delivery);
    const payload = parseBody(delivery.body);
    checkFreshness(payload.timestamp, delivery.receivedAt);
    const candidate = parse(payload, readWebhook);
    if (typeof candidate === 'string') return refusedAs(candidate);
    return received(candidate, identify(candidate, payload, delivery, { ...deps, appName: WEBHOOKS }));
  };
  const { bodyLimit, outcomeHeaders } = deps;
  const acknowledge = () => ({ status: 200 });
  return { name: 'teams', bodyLimit, outcomeHeaders, receive, acknowledge, refuse: answerToOutgoing };
}

function received(candidate: Candidate, event: Received['events'][number]): Received {
  const respond = respondTo(candidate);
  return { events: [event], refused: [], ...(respond !== undefined && { respond }) };
}

/** An id that may not become a name is kept out like anything else that is not to be trusted; the rest is irrelevant. */
const refusedAs = (reason: TeamsReason): Received => ({
  events: [],
  refused: [{ outcome: reason === 'bad_routing_id' ? 'quarantined' : 'ignored', reason }],
});
