import type { Crypto } from '../../core/crypto/crypto.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Channel, Delivery, DeliveryOutcome, Received } from '../channel.ts';
import { createInstallationTable, type SlackInstallation } from './installation.ts';
import { answerTo } from './receive/answers.ts';
import { isSslCheck, readBody } from './receive/body.ts';
import { type IdentifyDeps, identify } from './receive/identify.ts';
import { parse } from './receive/parse.ts';
import type { Match } from './receive/policy.ts';
import type { SlackReason } from './receive/relevance.ts';
import { createVerifier } from './receive/verify.ts';

export type { SlackInstallation } from './installation.ts';
export type { SlackWindows } from './receive/identify.ts';
export { type Match, type MatchCandidate, type MatchOptions, matchPolicy } from './receive/policy.ts';

export interface SlackChannelDeps extends IdentifyDeps {
  readonly crypto: Crypto;
  /** One app's secret, or several while one replaces another. */
  readonly signingSecrets: readonly string[];
  /** Where the app is installed, of all tenants. Absent: every workspace it vouches for belongs to the route's tenant. */
  readonly installations?: readonly SlackInstallation[];
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
  const receive = (delivery: Delivery): Received => {
    if (isSslCheck(delivery)) return answered('handshake', '');
    verify(delivery);
    const parsed = parse(readBody(delivery), { tenant: delivery.tenant, findInstallation, allowBots });
    switch (parsed.kind) {
      case 'challenge':
        return answered('handshake', checkChallenge(parsed.challenge), 'text/plain; charset=utf-8');
      case 'suggestion':
        return answered('ignored', '{"options":[]}', 'application/json');
      case 'refused':
        return { events: [], ...refusedAs(parsed.reason) };
      case 'candidate':
        if (!deps.match(parsed.candidate)) return { events: [], ...refusedAs('no_agent') };
        return { events: [identify(parsed, delivery, deps)], refused: [] };
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
const refusedAs = (reason: SlackReason): Pick<Received, 'refused'> => ({
  refused: [{ outcome: reason === 'bad_routing_id' ? 'quarantined' : 'ignored', reason }],
});
