import type { Clock } from '../../core/clock.ts';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { defined } from '../../core/defined.ts';
import { type ErrorCode, tokenErrorCodes } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import { createJwks, type Jwks } from '../../net/jwt/jwks.ts';
import type { Answer, Channel, Delivery, Received } from '../channel.ts';
import type { ChannelModule } from '../module.ts';
import type { ReadMarkdown } from '../shared/markdown/tree.ts';
import {
  type Candidate,
  type TeamsMatch,
  type TeamsReason,
  teamsMatchPolicy,
  whyUnlisted,
} from './receive/candidate.ts';
import { containerOf, type IdentifyDeps, identify } from './receive/identify.ts';
import { checkEnvelope, parse, parseBody, readActivity, readWebhook } from './receive/parse.ts';
import { bindActivity, checkFreshness, createBotVerifier, createWebhookVerifier } from './receive/verify.ts';
import { waitMsOf } from './receive/wait.ts';
import { teamsRemedies } from './remedies.ts';
import { respondTo } from './reply/await-answer.ts';
import { createServiceHosts, defaultServiceHosts } from './reply/service-hosts.ts';
import { type TeamsConfig, teamsSchema, teamsWindow } from './settings.ts';

/** A bot, outgoing webhooks, or both, each with its path. */
export const teamsModule = {
  name: 'teams',
  samples: ['teams', 'teams-outgoing'],
  sampleChoices: ['mention', 'thread', 'channel', 'user'],
  settings: teamsSchema,
  window: teamsWindow,
  remedies: teamsRemedies,
  hooks: [
    { label: 'Teams bot', path: '' },
    { label: 'Teams outgoing', path: 'outgoing' },
  ],
  onboarding: {
    hasSetup: true,
    manifest: {
      description: 'the app package: a zip with manifest and icons',
      options: [
        { flags: '--app-id <id>', description: "the bot's Microsoft App ID (default: TEAMS_APP_ID)" },
        { flags: '--app-version <x.y.z>', description: 'a higher one for every upload (default: 1.0.0)' },
      ],
      isBinary: true,
    },
  },
  withoutEffect({ appId, appPassword }) {
    const ofBot = ['appPassword', 'tenantId', 'issuer', 'openIdUrl', 'activityTypes', 'mentionsOnly'];
    const ofPosts = ['tokenUrl', 'tokenScope', 'serviceHosts'];
    if (appId === undefined) return [...ofBot, ...ofPosts];
    return appPassword === undefined ? ofPosts : [];
  },
  containerOf,
  receive(
    teams,
    { windowMs, bodyLimit, outcomeHeaders = true, crypto, identifier, openFetch, clock, keepAlive, readMarkdown },
  ) {
    const { appId, issuer, openIdUrl, tenantId, serviceHosts, outgoingSecrets } = teams;
    const common = { identifier, windowMs, bodyLimit, outcomeHeaders, readMarkdown };
    const bot =
      appId === undefined
        ? null
        : createTeamsBotChannel({
            ...common,
            appId,
            issuer,
            jwks: createJwks({ url: openIdUrl, kind: 'openid', fetch: openFetch([openIdUrl]), clock, keepAlive }),
            clock,
            match: teamsMatchPolicy({ mentionsOnly: teams.mentionsOnly, activityTypes: teams.activityTypes }),
            ...defined({ tenantId, serviceHosts }),
          });
    const outgoing =
      outgoingSecrets === undefined ? null : createTeamsOutgoingChannel({ ...common, crypto, keys: outgoingSecrets });
    return ([path, ...more]) => {
      if (more.length > 0) return null;
      if (path === undefined) return bot;
      return path === 'outgoing' ? outgoing : null;
    };
  },
} as const satisfies ChannelModule<TeamsConfig>;

interface CommonDeps extends Omit<IdentifyDeps, 'appName'> {
  /** Bytes. */
  readonly bodyLimit: number;
  readonly outcomeHeaders: boolean;
  /** For replies that are given in the response; undefined in a runtime that never has them. */
  readonly readMarkdown: ReadMarkdown | undefined;
}

export interface TeamsBotChannelDeps extends CommonDeps {
  readonly appId: string;
  /** Of the connector's tokens. */
  readonly issuer: string;
  /** The keys behind the connector's OpenID document. */
  readonly jwks: Jwks;
  readonly clock: Clock;
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
    return received(candidate, payload, delivery, { ...deps, appName: deps.appId });
  };
  const { bodyLimit, outcomeHeaders } = deps;
  const acknowledge = () => ({ status: 202 });
  return { name: 'teams', bodyLimit, outcomeHeaders, authenticate, receive, acknowledge, refuse: answerToBot };
}

interface TeamsOutgoingChannelDeps extends CommonDeps {
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
    return received(candidate, payload, delivery, { ...deps, appName: WEBHOOKS });
  };
  const { bodyLimit, outcomeHeaders } = deps;
  const acknowledge = () => ({ status: 200 });
  return { name: 'teams', bodyLimit, outcomeHeaders, receive, acknowledge, refuse: answerToOutgoing };
}

function received(
  candidate: Candidate,
  payload: JsonObject,
  delivery: Delivery,
  { readMarkdown, ...deps }: IdentifyDeps & Pick<CommonDeps, 'readMarkdown'>,
): Received {
  const waitMs = waitMsOf(candidate, delivery.headers);
  const events = [identify(candidate, payload, delivery, waitMs, deps)];
  if (waitMs === undefined) return { events, refused: [] };
  return { events, refused: [], waitMs, respond: respondTo(candidate, waitMs, readMarkdown) };
}

/** An id that may not become a name is kept out like anything else that is not to be trusted; the rest is irrelevant. */
const refusedAs = (reason: TeamsReason): Received => ({
  events: [],
  refused: [{ outcome: reason === 'bad_routing_id' ? 'quarantined' : 'ignored', reason }],
});

type Table = Partial<Record<ErrorCode, Answer>>;

const UNAVAILABLE: Answer = { status: 503 };

const common: Table = {
  ERR_BODY_TOO_LARGE: { status: 413 },
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_BODY_UNPARSABLE: { status: 400 },
  ERR_RATE_LIMITED: { status: 429 },
};

const withStatus = (codes: readonly ErrorCode[], status: number): Table =>
  Object.fromEntries(codes.map((code) => [code, { status }]));

/** The Bot Framework's documentation asks for 403 where its SDKs answer 401. */
const botTable: Table = { ...common, ...withStatus(tokenErrorCodes, 403) };

const outgoingTable: Table = {
  ...common,
  ...withStatus(
    [
      'ERR_SIGNATURE_MISSING',
      'ERR_SIGNATURE_MALFORMED',
      'ERR_SIGNATURE_MISMATCH',
      'ERR_TIMESTAMP_MALFORMED',
      'ERR_TIMESTAMP_OUTSIDE_TOLERANCE',
    ],
    401,
  ),
};

/** What is in neither table is our own trouble: keys that cannot be had, a store that is away, a full queue. */
const answerToBot = (code: ErrorCode): Answer => botTable[code] ?? UNAVAILABLE;
const answerToOutgoing = (code: ErrorCode): Answer => outgoingTable[code] ?? UNAVAILABLE;
