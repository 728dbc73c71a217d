import { createGmailChannel, type GmailChannelDeps } from '../../src/channels/gmail/module.ts';
import { channelNames } from '../../src/channels/registry.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { createIdentifier } from '../../src/core/identity.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { type Meter, silentMeter } from '../../src/core/meter.ts';
import { createJwks } from '../../src/net/jwt/jwks.ts';
import type { Store } from '../../src/queue/store.ts';
import { createScrubber } from '../../src/scrub/scrubber.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { createApp } from '../../src/server/app.ts';
import { readBodyStream } from '../../src/server/http/body.ts';
import type { App } from '../../src/server/http/context.ts';
import { type PushTokenForgery, signPushToken } from '../../src/testing/gmail/google-signer.ts';
import { gmailPush, type PushOptions, type PushRequest, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { createSigningKey, type SigningKey } from '../../src/testing/keys/signing-key.ts';
import { testSources } from './test-sources.ts';

export const AUDIENCE = 'https://gate.example/hooks/gmail';
export const SERVICE_ACCOUNT = 'push@project.iam.gserviceaccount.com';
export const SUBSCRIPTION = 'projects/myproject/subscriptions/mysubscription';
export const MAILBOX = 'user@example.com';
const KEY = new Uint8Array(32).fill(7);

/** Made once a test file: an RSA key takes a tenth of a second. */
export const googleKey: SigningKey = createSigningKey({ kid: 'google-1' });

export const identifier = createIdentifier(nodeCrypto, KEY);
export const scrub = createScrubber({ crypto: nodeCrypto, key: KEY });
export const sealer = createSealer(nodeCrypto, [KEY]);

export interface GmailDoorOptions {
  readonly store: Store;
  readonly jwksUrl: string;
  readonly clock: () => number;
  readonly channel?: Partial<GmailChannelDeps>;
  readonly meter?: Meter;
  readonly failuresPerMinute?: number;
  readonly isDraining?: () => boolean;
}

/** The front door with Gmail behind it: `POST /hooks/gmail/acme`. */
export function openGmailDoor(options: GmailDoorOptions): App {
  const { store, clock } = options;
  const channel = createGmailChannel({
    jwks: createJwks({ url: options.jwksUrl, fetch, clock }),
    clock,
    identifier,
    audience: AUDIENCE,
    serviceAccount: SERVICE_ACCOUNT,
    subscription: SUBSCRIPTION,
    mailboxes: [MAILBOX],
    windowMs: 8 * 86_400_000,
    bodyLimit: 64 * 1024,
    outcomeHeaders: true,
    ...options.channel,
  });
  return createApp({
    inbox: store.inbox,
    awaitResult: store.jobs.awaitResult,
    scrub,
    sealer,
    meter: options.meter ?? silentMeter,
    channelNames,
    channel: (name, tenant, rest) => (name === 'gmail' && tenant === 'acme' && rest.length === 0 ? channel : null),
    tally: () => {},
    headersOf: (c) => c.req.raw.headers,
    readBody: (c, limits) => readBodyStream(c.req.raw, limits),
    bodyTimeoutMs: 5_000,
    sourceOf: () => '203.0.113.9',
    failures: testSources(options.failuresPerMinute ?? 1_000),
    isDraining: options.isDraining ?? (() => false),
    newRequestId: () => 'request-1',
    clock,
    logger: silentLogger,
    mount: [],
  });
}

export const tokenAt = (at: number, forgery?: PushTokenForgery): string =>
  signPushToken({ key: googleKey, audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, at }, forgery);

/** A correctly signed push for our mailbox. */
export const pushAt = (at: number, overrides: Partial<PushOptions> = {}): PushRequest =>
  withToken(
    gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1710', at, ...overrides }),
    tokenAt(at),
  );

export interface Answered {
  readonly status: number;
  /** `x-sallyport-outcome` */
  readonly outcome: string | null;
  readonly eventId: string | null;
  readonly headers: Headers;
}

export async function deliver(app: App, { headers, body }: Pick<PushRequest, 'headers' | 'body'>): Promise<Answered> {
  const init = { method: 'POST', headers, body: new Uint8Array(body) };
  const response = await app.request('http://gate.example/hooks/gmail/acme', init);
  return {
    status: response.status,
    outcome: response.headers.get('x-sallyport-outcome'),
    eventId: response.headers.get('x-sallyport-event'),
    headers: response.headers,
  };
}
