import type { Crypto } from '../../core/crypto/crypto.ts';
import { defined } from '../../core/defined.ts';
import { type ErrorCode, SallyportError } from '../../core/errors.ts';
import type { Answer, Channel, Delivery, DeliveryOutcome, Received } from '../channel.ts';
import type { ChannelModule } from '../module.ts';
import { createInstallationTable, type SlackInstallation } from './installation.ts';
import { containerOf, type IdentifyDeps, identify } from './receive/identify.ts';
import { parse } from './receive/parse.ts';
import { type Match, matchPolicy, type SlackReason } from './receive/relevance.ts';
import { createVerifier, isSslCheck, readBody, retryOf } from './receive/verify.ts';
import { slackRemedies } from './remedies.ts';
import { type SlackConfig, slackSchema, slackWindow } from './settings.ts';

/** Commands and actions are sent once; this outlives their `response_url` (30 minutes). */
const INTERACTIONS_MS = 3_600_000;

export const slackModule = {
  name: 'slack',
  samples: ['slack'],
  sampleChoices: ['mention', 'thread', 'channel', 'user', 'command', 'button'],
  settings: slackSchema,
  window: slackWindow,
  remedies: slackRemedies,
  hooks: [{ label: 'Slack request URL', path: '' }],
  onboarding: {
    manifest: {
      description: 'the app manifest, as JSON, and the link that makes the app',
      options: [{ flags: '--command <command...>', description: 'slash commands of the app, e.g. /ask' }],
      hasLink: true,
    },
    agents: ['bolt'],
  },
  /** Where several tenants share an app, its one request URL need not name any of them. */
  sharedBy: (tenants) => [...tenants].find(([, { teams }]) => teams !== undefined)?.[0] ?? null,
  containerOf,
  receive(slack, { tenant, tenants, windowMs, bodyLimit, outcomeHeaders, crypto, identifier }) {
    const isMapped = slack.installations !== undefined || slack.teams !== undefined;
    const channel = createSlackChannel({
      crypto,
      identifier,
      signingSecrets: slack.signingSecrets,
      ...(isMapped && { installations: [...installationsOf(tenants), ...teamsOf(tenants)] }),
      sameApp: sameAppAs(tenant, tenants),
      allowBots: slack.allowBots,
      match: matchPolicy({ mentionsOnly: slack.mentionsOnly, eventTypes: slack.eventTypes }),
      appName: 'slack-app',
      windows: { eventsMs: windowMs, interactionsMs: INTERACTIONS_MS },
      bodyLimit,
      outcomeHeaders: outcomeHeaders ?? true,
    });
    return (rest) => (rest.length === 0 ? channel : null);
  },
} as const satisfies ChannelModule<SlackConfig>;

/** Of all tenants, so that one tenant's route refuses another's workspace by name and not as unknown. */
export const installationsOf = (tenants: ReadonlyMap<string, SlackConfig>): SlackInstallation[] =>
  [...tenants].flatMap(([tenant, { installations = [] }]) =>
    installations.map((entry) => ({ ...entry, tenant }) as SlackInstallation),
  );

/** The workspaces that tenants have of an app they share. @throws SallyportError ERR_CONFIG_INVALID: two tenants of it have the same */
function teamsOf(tenants: ReadonlyMap<string, SlackConfig>): SlackInstallation[] {
  const owners = new Map<string, string>();
  return [...tenants].flatMap(([tenant, slack]) =>
    (slack.teams ?? []).map((id) => {
      const owner = owners.get(`${id} ${appOf(slack)}`) ?? tenant;
      if (owner !== tenant) {
        throw new SallyportError(
          'ERR_CONFIG_INVALID',
          `tenants.${tenant}.slack.teams: names a workspace of tenants.${owner}.slack.teams, whose app has the same signing secrets; each workspace of an app belongs to one tenant`,
        );
      }
      owners.set(`${id} ${appOf(slack)}`, tenant);
      return { tenant, ...(id.startsWith('E') ? { enterpriseId: id } : { teamId: id }) };
    }),
  );
}

/** An app is known by its signing secrets. While one is replaced, all tenants of the app have to name both. */
const appOf = ({ signingSecrets }: SlackConfig): string => [...signingSecrets].sort().join('\n');

/** Tenants whose deliveries the same secrets sign: the holder of a secret can sign for each of them. */
function sameAppAs(tenant: string, tenants: ReadonlyMap<string, SlackConfig>): ReadonlySet<string> {
  const own = tenants.get(tenant);
  if (own?.teams === undefined) return new Set();
  const others = [...tenants].filter(([, slack]) => slack.teams !== undefined && appOf(slack) === appOf(own));
  return new Set(others.map(([name]) => name));
}

export interface SlackChannelDeps extends IdentifyDeps {
  readonly crypto: Crypto;
  /** One app's secret, or several while one replaces another. */
  readonly signingSecrets: readonly string[];
  /** Where the app is installed, of all tenants. Absent: every workspace it vouches for belongs to the route's tenant. */
  readonly installations?: readonly SlackInstallation[];
  /** Other tenants of the same app, whose workspaces the route takes as well. Absent: none. */
  readonly sameApp?: ReadonlySet<string>;
  /** Bot or app ids of other bots whose messages are for agents. */
  readonly allowBots?: readonly string[];
  readonly match: Match;
  /** Bytes. */
  readonly bodyLimit: number;
  readonly outcomeHeaders: boolean;
}

/**
 * Slack's Events API, slash commands and interactivity of one app.
 * @throws SallyportError ERR_CONFIG_INVALID without a signing secret or with an empty one
 */
export function createSlackChannel(deps: SlackChannelDeps): Channel {
  const verify = createVerifier(deps.crypto, deps.signingSecrets);
  const findInstallation = deps.installations && createInstallationTable(deps.installations);
  const allowBots: ReadonlySet<string> = new Set(deps.allowBots);
  const sameApp = deps.sameApp ?? new Set<string>();
  const receive = (delivery: Delivery): Received => {
    if (isSslCheck(delivery)) return answered('handshake', '');
    verify(delivery);
    return { ...receivedOf(delivery), retry: retryOf(delivery.headers) };
  };
  const receivedOf = (delivery: Delivery): Received => {
    const parsed = parse(readBody(delivery), { tenant: delivery.tenant, findInstallation, sameApp, allowBots });
    switch (parsed.kind) {
      case 'challenge':
        return answered('handshake', checkChallenge(parsed.challenge), 'text/plain; charset=utf-8');
      case 'suggestion':
        return answered('ignored', '{"options":[]}', 'application/json');
      case 'refused':
        return { events: [], ...refusedAs(parsed.reason, parsed.unknown) };
      case 'candidate':
        if (!deps.match(parsed.candidate)) return { events: [], ...refusedAs('no_agent') };
        return { events: [identify(parsed, delivery.receivedAt, deps)], refused: [] };
    }
  };
  return {
    name: 'slack',
    bodyLimit: deps.bodyLimit,
    outcomeHeaders: deps.outcomeHeaders,
    receive,
    // A slash command's 200 must be empty, or Slack shows its body to the user.
    acknowledge: () => ({ status: 200 }),
    refuse: answerTo,
  };
}

/** Slack's are 52 letters and digits. Whatever is echoed must not be able to act as anything but text. */
const CHALLENGE = /^[\x20-\x7e]{1,256}$/;

function checkChallenge(challenge: unknown): string {
  if (typeof challenge === 'string' && CHALLENGE.test(challenge)) return challenge;
  throw new SallyportError('ERR_BODY_UNPARSABLE', 'the challenge is not one Slack would send');
}

const answered = (outcome: DeliveryOutcome, body: string, type?: string): Received => ({
  events: [],
  refused: [],
  answer: { status: 200, outcome, body, ...(type !== undefined && { headers: { 'content-type': type } }) },
});

/** An id that may not become a name is kept out like anything else that is not to be trusted; the rest is irrelevant. */
const refusedAs = (reason: SlackReason, unmapped?: string): Pick<Received, 'refused'> => ({
  refused: [
    {
      outcome: reason === 'bad_routing_id' ? 'quarantined' : 'ignored',
      reason,
      ...defined({ unmapped }),
    },
  ],
});

/** Stops Slack's retries of this one event; only heard on a status other than 200 (docs.slack.dev/apis/events-api). */
const NO_RETRY = { 'x-slack-no-retry': '1' };

/** Slack keeps to its own timetable (0, 1 and 5 minutes); the header is for proxies and people. */
const RETRY_AFTER = { 'retry-after': '5' };

const UNAUTHORIZED: Answer = { status: 401 };
const UNAVAILABLE: Answer = { status: 503, headers: RETRY_AFTER };

/**
 * Slack's table. A failed proof gets no `x-slack-no-retry`: while a signing secret is being replaced, the retries are
 * what saves the events. What can never succeed gets one.
 */
const answers: Partial<Record<ErrorCode, Answer>> = {
  ERR_METHOD_NOT_ALLOWED: { status: 405, headers: { allow: 'POST' } },
  ERR_UNKNOWN_ROUTE: { status: 404 },
  ERR_BODY_TOO_LARGE: { status: 413, headers: NO_RETRY },
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_BODY_UNPARSABLE: { status: 400, headers: NO_RETRY },
  ERR_SIGNATURE_MISSING: UNAUTHORIZED,
  ERR_SIGNATURE_MALFORMED: UNAUTHORIZED,
  ERR_SIGNATURE_MISMATCH: UNAUTHORIZED,
  ERR_TIMESTAMP_MALFORMED: UNAUTHORIZED,
  ERR_TIMESTAMP_OUTSIDE_TOLERANCE: UNAUTHORIZED,
  ERR_RATE_LIMITED: { status: 429, headers: RETRY_AFTER },
};

/** Anything that is not in the table is our own trouble, and Slack should come back. */
const answerTo = (code: ErrorCode): Answer => answers[code] ?? UNAVAILABLE;
