import type { Identifier } from '../../core/identity.ts';
import type { Channel, Delivery, Received } from '../channel.ts';
import { answerTo, TAKEN } from './receive/answers.ts';
import { pushEvent } from './receive/identify.ts';
import { type GmailReason, parse } from './receive/parse.ts';
import { createPushVerifier, type PushVerifierDeps } from './receive/verify.ts';

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
    return { events: [pushEvent(push, subscription, windowMs, receivedAt, { identifier, tenant })], refused: [] };
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
