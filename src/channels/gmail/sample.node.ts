import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { defined } from '../../core/defined.ts';
import { type PushTokenForgery, signPushToken } from '../../testing/gmail/google-signer.ts';
import {
  gmailPush,
  newPushId,
  type PushOptions,
  type PushRequest,
  withToken,
} from '../../testing/gmail/pubsub-sender.ts';
import { startGmailServer } from '../../testing/gmail/server.ts';
import {
  type Sample,
  type SampleContext,
  SampleError,
  type Sender,
  type SendOptions,
  type SignedDelivery,
  type StandIn,
  type Tamper,
} from '../sample.node.ts';
import type { GmailConfig } from './settings.ts';

/** What `dev` and `send` agree on in place of a push subscription and a mailbox of Google's. */
const standInSettings = {
  GMAIL_PUSH_AUDIENCE: 'https://sallyport.example/hooks/gmail',
  GMAIL_PUSH_SERVICE_ACCOUNT: 'push@sallyport.iam.gserviceaccount.com',
  GMAIL_PUSH_SUBSCRIPTION: 'projects/sallyport/subscriptions/gmail',
  GMAIL_MAILBOXES: 'sallyport@example.com',
} as const;

/** The ways to spoil a push; the token is all there is to spoil, because it does not cover the body. */
const forgeries: Partial<Record<Tamper, PushTokenForgery>> = {
  stale: 'expired',
  future: 'from-the-future',
  'wrong-key': 'colliding-kid',
  altered: 'altered-claims',
};

const gmailSender: Sender = {
  path: (tenant) => `/hooks/gmail/${tenant}`,
  statuses: { taken: [204], refused: [401] },
  async deliveries(options, context) {
    const { tamper } = options;
    const settings = await pushSettings(options.tenant, context);
    const sign = await signerOf(settings, context);
    const { push, conversation } = await pushOf(options, settings, context.dataFolder);
    const expecting = (request: PushRequest, expect: SignedDelivery['expect']): SignedDelivery => ({
      ...request,
      expect,
      ...defined({ conversation }),
    });
    const forgery = tamper === undefined ? undefined : forgeries[tamper];
    if (forgery !== undefined) return [expecting(sign(push({}), forgery), 'refused')];
    const request = sign(push({}));
    switch (tamper) {
      case 'replay':
        return [expecting(request, 'accepted'), expecting(request, 'duplicate')];
      case 'duplicate':
        // What Pub/Sub does when it saw no answer: the same notification once more.
        return [expecting(request, 'accepted'), expecting(sign(push({ deliveryAttempt: 2 })), 'duplicate')];
      case 'reorder':
        // A later push, then this one: Pub/Sub keeps no order, and history ids tell it.
        return [
          expecting(sign(push({ messageId: newPushId() })), 'accepted'),
          expecting(sign(push({ historyId: '1', messageId: newPushId() })), 'accepted'),
        ];
      default:
        return [expecting(request, 'accepted')];
    }
  },
};

type Sign = (push: PushRequest, forgery?: PushTokenForgery) => PushRequest;

/** What a push names, and what its token is made for. */
interface PushSettings {
  readonly audience: string;
  readonly serviceAccount: string;
  readonly subscription: string;
  readonly mailbox: string;
}

/** The tenant's own where its Gmail is configured, else those that `dev` makes up. */
async function pushSettings(tenant: string, { settings, environment }: SampleContext<unknown>): Promise<PushSettings> {
  const gmail = (await settings(tenant)) as GmailConfig | undefined;
  return {
    audience: gmail?.audience ?? standInSettings.GMAIL_PUSH_AUDIENCE,
    serviceAccount: gmail?.serviceAccount ?? standInSettings.GMAIL_PUSH_SERVICE_ACCOUNT,
    subscription: gmail?.subscription ?? standInSettings.GMAIL_PUSH_SUBSCRIPTION,
    mailbox:
      gmail?.mailboxes[0] ?? (environment.GMAIL_MAILBOXES?.split(',')[0]?.trim() || standInSettings.GMAIL_MAILBOXES),
  };
}

/** Nobody but Google has the key that a production gate trusts, so this one is always `dev`'s. */
async function signerOf({ audience, serviceAccount }: PushSettings, { dev }: SampleContext<unknown>): Promise<Sign> {
  const identity = await dev();
  if (identity === null)
    throw new SampleError('config', 'no key that a gate would trust: start `sallyport dev` here once');
  return (push, forgery) =>
    withToken(push, signPushToken({ key: identity.key, audience, serviceAccount, at: Date.now() }, forgery));
}

interface Pushing {
  /** The same notification every time, but for what is put in place of it. */
  readonly push: (changes: Partial<PushOptions>) => PushRequest;
  /** Of the message that the push is about, where there is one. */
  readonly conversation?: string;
}

async function pushOf(
  { payload, text, index, tamper, user }: SendOptions,
  { subscription, mailbox }: PushSettings,
  dataFolder: string,
): Promise<Pushing> {
  const base = { subscription, messageId: newPushId(), at: Date.now() };
  if (payload !== undefined) return { push: ownPush(payload, base) };
  const url = tamper !== undefined && tamper in forgeries ? null : await addressOf(dataFolder);
  const deposited =
    url === null ? null : await depositMail(url, mailbox, index === 0 ? text : `${text} (${index + 1})`, user);
  const historyId = deposited?.historyId ?? String(Date.now());
  return {
    push: (changes) => gmailPush({ ...base, mailbox, historyId, ...changes }),
    ...(deposited !== null && { conversation: `${mailbox}:${deposited.threadId}` }),
  };
}

/** A file holds a whole push body, or what Gmail puts into one. */
function ownPush(payload: unknown, base: Omit<PushOptions, 'mailbox' | 'historyId'>): Pushing['push'] {
  const own: Readonly<Record<string, unknown>> = typeof payload === 'object' && payload !== null ? { ...payload } : {};
  const { emailAddress, historyId } = own;
  if (typeof emailAddress === 'string') {
    return (changes) => gmailPush({ ...base, mailbox: emailAddress, historyId: String(historyId), ...changes });
  }
  if (!('message' in own))
    throw new SampleError('usage', '--file: must hold a push, or its emailAddress and historyId');
  const body = Buffer.from(JSON.stringify(payload));
  return () => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body });
}

const imported = z.object({ threadId: z.string() });
const profile = z.object({ historyId: z.string() });

/** Mail that was put into a local mailbox. */
interface Deposited {
  readonly threadId: string;
  /** The mailbox's history id afterwards: what Gmail would publish. */
  readonly historyId: string;
}

/** Puts a mail into the local Gmail of `dev`, as if somebody had written it. @throws SampleError when nothing answers there */
async function depositMail(
  url: string,
  mailbox: string,
  text: string,
  from = 'developer@example.org',
): Promise<Deposited> {
  const headers = [`From: Developer <${from}>`, `To: ${mailbox}`, 'Content-Transfer-Encoding: base64'];
  const mail = [...headers, '', Buffer.from(text).toString('base64')].join('\r\n');
  const users = new URL(`/gmail/v1/users/${encodeURIComponent(mailbox)}/`, url);
  const raw = Buffer.from(mail).toString('base64url');
  const { threadId } = await call(new URL('messages/import', users), imported, { raw });
  const { historyId } = await call(new URL('profile', users), profile);
  return { threadId, historyId };
}

async function call<T>(url: URL, schema: z.ZodType<T>, body?: object): Promise<T> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(url, init).catch(() => {
    throw new SampleError('failed', 'the local Gmail of `sallyport dev` does not answer: is it running?');
  });
  return schema.parse(await response.json());
}

/** Where the running `dev` left the address of its local Gmail. */
const pathOf = (dataFolder: string): string => join(dataFolder, 'gmail.json');

const addressShape = z.object({ url: z.url() });

/** The local Gmail of the `dev` that was started last here, or null. Whether it still runs shows when it is asked. */
async function addressOf(dataFolder: string): Promise<string | null> {
  const text = await readFile(pathOf(dataFolder), 'utf8').catch(() => 'null');
  return addressShape.safeParse(JSON.parse(text)).data?.url ?? null;
}

/** A Gmail on this machine that `send gmail` puts mail into and the gate reads it from. It forgets when it ends. */
const standIn: StandIn<unknown> = {
  kept: z.object({}),
  fresh: () => ({}),
  async start(_, { jwksUrl }, { environment, dataFolder }) {
    // A real push subscription's tokens are signed by Google, and its mailboxes are at Google.
    if (environment.GMAIL_PUSH_AUDIENCE) return { settings: {} };
    const server = await startGmailServer({ clock: Date.now });
    await mkdir(dataFolder, { recursive: true, mode: 0o700 });
    await writeFile(pathOf(dataFolder), `${JSON.stringify({ url: server.url })}\n`, { mode: 0o600 });
    return {
      settings: { ...standInSettings, GOOGLE_JWKS_URL: jwksUrl, GMAIL_BASE_URL: server.url },
      close: () => server.stop(),
    };
  },
};

export const gmailSample: Sample = { senders: { gmail: gmailSender }, standIn };
