import { type ErrorCode, tokenErrorCodes } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import { createJwks } from '../../net/jwt/jwks.ts';
import type { Answer, Channel, Delivery, Received } from '../channel.ts';
import type { ChannelModule } from '../module.ts';
import { containerOf, pushEvent } from './receive/identify.ts';
import { type GmailReason, parse } from './receive/parse.ts';
import { createPushVerifier, type PushVerifierDeps } from './receive/verify.ts';
import { gmailRemedies } from './remedies.ts';
import { type GmailConfig, gmailSchema, gmailWindow } from './settings.ts';

export const gmailModule = {
  name: 'gmail',
  samples: ['gmail'],
  sampleChoices: ['user'],
  settings: gmailSchema,
  window: gmailWindow,
  isHint: true,
  remedies: gmailRemedies,
  hooks: [{ label: 'Gmail push', path: '' }],
  onboarding: { hasSetup: true },
  isKept: true,
  withoutEffect: ({ mailboxes }) => (mailboxes.length === 0 ? ['topic'] : []),
  containerOf,
  receive(gmail, { windowMs, bodyLimit, outcomeHeaders = true, identifier, openFetch, clock, keepAlive }) {
    const channel = createGmailChannel({
      jwks: createJwks({ url: gmail.jwksUrl, fetch: openFetch([gmail.jwksUrl]), clock, keepAlive }),
      clock,
      identifier,
      audience: gmail.audience,
      serviceAccount: gmail.serviceAccount,
      subscription: gmail.subscription,
      mailboxes: gmail.mailboxes,
      windowMs,
      bodyLimit,
      outcomeHeaders,
    });
    return (rest) => (rest.length === 0 ? channel : null);
  },
} as const satisfies ChannelModule<GmailConfig>;

export interface GmailChannelDeps extends PushVerifierDeps {
  readonly identifier: Identifier;
  /** `projects/…/subscriptions/…`, exactly. */
  readonly subscription: string;
  /** The mailboxes that are read; pushes for others are ignored. */
  readonly mailboxes: readonly string[];
  /** How long a push is remembered, in ms; longer than Pub/Sub keeps it. */
  readonly windowMs: number;
  /** Bytes. */
  readonly bodyLimit: number;
  readonly outcomeHeaders: boolean;
}

/**
 * Gmail's push notifications through one Pub/Sub push subscription. The token proves who sent a push, not what it says,
 * so a push is a hint: whoever captures a token can make us look into a mailbox of ours once more, and nothing else.
 */
export function createGmailChannel(deps: GmailChannelDeps): Channel {
  const { identifier, subscription, windowMs, bodyLimit, outcomeHeaders } = deps;
  const context = { subscription, mailboxes: new Set(deps.mailboxes.map((mailbox) => mailbox.toLowerCase())) };
  const receive = (delivery: Delivery): Received => {
    const push = parse(delivery, context);
    if (typeof push === 'string') return { events: [], refused: [{ outcome: outcomeOf(push), reason: push }] };
    const { tenant, receivedAt } = delivery;
    const retry = push.isRetry ? 'delivery_attempt' : undefined;
    return {
      events: [pushEvent(push, subscription, windowMs, receivedAt, { identifier, tenant })],
      refused: [],
      retry,
    };
  };
  return {
    name: 'gmail',
    bodyLimit,
    outcomeHeaders,
    authenticate: createPushVerifier(deps),
    receive,
    acknowledge: () => TAKEN,
    refuse: answerTo,
  };
}

/** Pub/Sub never sends what the first three stand for; somebody may have published to the topic by hand. */
const outcomeOf = (reason: GmailReason): 'ignored' | 'quarantined' =>
  reason === 'unknown_mailbox' ? 'ignored' : 'quarantined';

/** Pub/Sub takes exactly 102, 200, 201, 202 and 204 for an acknowledgement (cloud.google.com/pubsub/docs/push). */
const TAKEN: Answer = { status: 204 };

/** Everything else makes Pub/Sub send again, slower and slower, for the whole subscription and up to 7 days. */
const UNAVAILABLE: Answer = { status: 503 };

/**
 * What can never succeed is taken, because a push that keeps failing would slow down every mailbox of the subscription.
 * A failed proof is not: it is bounded by Pub/Sub's retention, and lets an operator set an audience right without loss.
 */
const answers: Partial<Record<ErrorCode, Answer>> = {
  ERR_BODY_TOO_LARGE: TAKEN,
  ERR_BODY_UNPARSABLE: TAKEN,
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_RATE_LIMITED: { status: 429 },
  ...Object.fromEntries(tokenErrorCodes.map((code) => [code, { status: 401 }])),
};

/** Anything that is not in the table is our own trouble, and Pub/Sub should come back. */
const answerTo = (code: ErrorCode): Answer => answers[code] ?? UNAVAILABLE;
