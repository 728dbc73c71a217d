import { type PushTokenForgery, signPushToken } from '../../testing/gmail/google-signer.ts';
import {
  gmailPush,
  newPushId,
  type PushOptions,
  type PushRequest,
  withToken,
} from '../../testing/gmail/pubsub-sender.ts';
import { devGmail, readDevGmail } from '../dev/gmail.ts';
import { readDevVendors } from '../dev/vendors.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import { depositMail } from './gmail-mail.ts';
import type { Sender, SendOptions, SignedDelivery, Tamper } from './sender.ts';

/** The ways to spoil a push; the token is all there is to spoil, because it does not cover the body. */
const forgeries: Partial<Record<Tamper, PushTokenForgery>> = {
  stale: 'expired',
  future: 'from-the-future',
  'wrong-key': 'colliding-kid',
  altered: 'altered-claims',
};

export const gmailSender: Sender = {
  name: 'gmail',
  path: (tenant) => `/hooks/gmail/${tenant}`,
  statuses: { taken: [204], refused: [401] },
  async deliveries(options, io) {
    const { tamper } = options;
    const sign = await signerOf(io);
    const { push, conversation } = await pushOf(options, io);
    const expecting = (request: PushRequest, expect: SignedDelivery['expect']): SignedDelivery => ({
      ...request,
      expect,
      ...(conversation !== undefined && { conversation }),
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

const setting = (io: Io, name: keyof typeof devGmail): string =>
  io.environment[name]?.split(',')[0]?.trim() || devGmail[name];

/** Nobody but Google has the key that a production gate trusts, so this one is always `dev`'s. */
async function signerOf(io: Io): Promise<Sign> {
  const vendors = await readDevVendors(io);
  if (vendors === null) throw new Exit(EXIT.config, 'no key that a gate would trust: start `sallyport dev` here once');
  const audience = setting(io, 'GMAIL_PUSH_AUDIENCE');
  const serviceAccount = setting(io, 'GMAIL_PUSH_SERVICE_ACCOUNT');
  return (push, forgery) =>
    withToken(push, signPushToken({ key: vendors.key, audience, serviceAccount, at: Date.now() }, forgery));
}

interface Pushing {
  /** The same notification every time, but for what is put in place of it. */
  readonly push: (changes: Partial<PushOptions>) => PushRequest;
  /** Of the message that the push is about, where there is one. */
  readonly conversation?: string;
}

async function pushOf({ payload, text, index, tamper }: SendOptions, io: Io): Promise<Pushing> {
  const subscription = setting(io, 'GMAIL_PUSH_SUBSCRIPTION');
  const base = { subscription, messageId: newPushId(), at: Date.now() };
  if (payload !== undefined) return { push: ownPush(payload, base) };
  const mailbox = setting(io, 'GMAIL_MAILBOXES');
  const url = tamper !== undefined && tamper in forgeries ? null : await readDevGmail(io);
  const deposited =
    url === null ? null : await depositMail(url, mailbox, index === 0 ? text : `${text} (${index + 1})`);
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
  if (!('message' in own)) throw new Exit(EXIT.usage, '--file: must hold a push, or its emailAddress and historyId');
  const body = Buffer.from(JSON.stringify(payload));
  return () => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body });
}
