import type { Channel, Delivery, Received } from '../../../src/channels/channel.ts';
import { createSlackChannel, type SlackChannelDeps } from '../../../src/channels/slack/module.ts';
import { matchPolicy } from '../../../src/channels/slack/receive/relevance.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { type ErrorCode, SallyportError } from '../../../src/core/errors.ts';
import { createIdentifier } from '../../../src/core/identity.ts';
import { type SignedSlackRequest, type SlackBody, signSlackRequest } from '../../../src/testing/slack/signer.ts';

/** The secret of Slack's own published example. */
export const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
export const NOW = 1_700_000_000_000;

export const slackChannel = (overrides: Partial<SlackChannelDeps> = {}): Channel =>
  createSlackChannel({
    crypto: nodeCrypto,
    identifier: createIdentifier(nodeCrypto, new Uint8Array(32).fill(7)),
    appName: 'slack-app',
    signingSecrets: [SECRET],
    match: matchPolicy(),
    windows: { eventsMs: 72 * 3_600_000, interactionsMs: 3_600_000 },
    bodyLimit: 1024 * 1024,
    outcomeHeaders: true,
    ...overrides,
  });

export const delivery = (
  request: Pick<SignedSlackRequest, 'headers' | 'body'>,
  { tenant = 'acme', receivedAt = NOW }: Partial<Pick<Delivery, 'tenant' | 'receivedAt'>> = {},
): Delivery => ({
  tenant,
  receivedAt,
  headers: new Headers(request.headers),
  url: `https://gate.example/hooks/slack/${tenant}`,
  body: request.body,
});

export const signed = (body: SlackBody): Delivery =>
  delivery(signSlackRequest(body, { signingSecret: SECRET, at: NOW }));

/** Sends one correctly signed body through the channel. */
export const receive = (body: SlackBody, channel: Channel = slackChannel()): Received =>
  channel.receive(signed(body)) as Received;

/** `accepted`, or `ignored: reason`, or the status and outcome of an answer, in one word for tables. */
export function outcomeOf({ events, refused, answer }: Received): string {
  if (answer !== undefined) return `${answer.outcome} ${answer.status}`;
  const [first] = refused;
  return events.length > 0 ? `accepted ${events[0]?.event.kind}` : `${first?.outcome}: ${first?.reason}`;
}

/** The code something throws; `none` when it does not. */
export function codeThrownBy(act: () => unknown): ErrorCode | 'none' {
  try {
    act();
    return 'none';
  } catch (error) {
    if (error instanceof SallyportError) return error.code;
    throw error;
  }
}
