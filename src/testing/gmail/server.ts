import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLocalMailbox, type LocalMailbox, type StoredMail } from './mailbox.ts';
import {
  type GmailCall,
  type GmailResult,
  listHistory,
  listMessages,
  notFound,
  parseRaw,
  refusal,
  routeOf,
  showAttachment,
  showMail,
} from './routes.ts';

/**
 * What may go wrong with one call: a status, no answer at all, a connection that ends before Gmail did anything, or one
 * that ends after it did.
 */
export type GmailFault =
  | 401
  | 403
  | 429
  | 500
  | 503
  | 'timeout'
  | 'reset'
  | 'lost-answer'
  /** Google's reason for the status, and its text. */
  | { readonly status: number; readonly reason: string; readonly message?: string };

export interface GmailServerOptions {
  /** Epoch ms; the server's whole idea of time. */
  readonly clock: () => number;
  /** In [0, 1). Default: `Math.random`. */
  readonly random?: () => number;
  /** Milliseconds until a change shows in `history.list`. Default 0. */
  readonly historyLagMs?: () => number;
  /** Milliseconds until a message shows in `messages.list`. Default 0. */
  readonly searchLagMs?: () => number;
  /** How long history is kept, in ms. Default 7 days. */
  readonly historyMs?: () => number;
  /** The most items on a page. Default 500, like Gmail. */
  readonly pageSize?: number;
  readonly fault?: (call: GmailCall) => GmailFault | undefined;
  /** Something changed in a watched mailbox: Gmail would publish this. */
  readonly onPublish?: (mailbox: string, historyId: string) => void;
}

/** A mail that was sent through the server. */
export interface SentMail {
  readonly mailbox: string;
  readonly threadId: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly text: string;
  readonly at: number;
}

/** A Gmail on 127.0.0.1, as far as a mailbox reader needs one. */
export interface GmailServer {
  /** For `GMAIL_BASE_URL`. */
  readonly url: string;
  /** The mailbox of that address; made when it is first asked for. */
  mailbox(address: string): LocalMailbox;
  readonly sent: readonly SentMail[];
  readonly calls: readonly GmailCall[];
  /** Epoch ms at which a mailbox's watch ends; undefined when it was never watched. */
  readonly watchedUntil: (address: string) => number | undefined;
  /** Makes the next request go wrong; several queue up. They come before `GmailServerOptions.fault`. */
  failNext(fault: GmailFault): void;
  stop(): Promise<void>;
  /** @deprecated Use `stop`. */
  close(): Promise<void>;
}

/** docs: "You must re-call watch() at least every 7 days". */
const WATCH_MS = 7 * 86_400_000;

interface State extends Required<Omit<GmailServerOptions, 'fault' | 'onPublish'>> {
  readonly mailboxes: Map<string, LocalMailbox>;
  readonly watches: Map<string, number>;
  readonly sent: SentMail[];
  readonly publish: (mailbox: LocalMailbox) => void;
}

export async function startGmailServer(options: GmailServerOptions): Promise<GmailServer> {
  const state = createState(options);
  const calls: GmailCall[] = [];
  const faults: GmailFault[] = [];
  const server = createServer((request, response) => {
    serve(request, response, state, (call) => {
      calls.push(call);
      return faults.shift() ?? options.fault?.(call);
    }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    mailbox: (address) => mailboxOf(address, state),
    sent: state.sent,
    calls,
    watchedUntil: (address) => state.watches.get(address.toLowerCase()),
    failNext: (fault) => void faults.push(fault),
    stop,
    close: stop,
  };
}

function createState(options: GmailServerOptions): State {
  const watches = new Map<string, number>();
  return {
    clock: options.clock,
    random: options.random ?? Math.random,
    historyLagMs: options.historyLagMs ?? (() => 0),
    searchLagMs: options.searchLagMs ?? (() => 0),
    historyMs: options.historyMs ?? (() => WATCH_MS),
    pageSize: options.pageSize ?? 500,
    mailboxes: new Map(),
    watches,
    sent: [],
    publish: ({ address, historyId }) => {
      if ((watches.get(address) ?? 0) > options.clock()) options.onPublish?.(address, String(historyId()));
    },
  };
}

function mailboxOf(address: string, state: State): LocalMailbox {
  const name = address.toLowerCase();
  const known = state.mailboxes.get(name);
  if (known !== undefined) return known;
  const { clock, random, historyLagMs: lagMs, historyMs, publish: onChange } = state;
  const made = createLocalMailbox({ address: name, clock, random, lagMs, historyMs, onChange });
  state.mailboxes.set(name, made);
  return made;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  state: State,
  faultOf: (call: GmailCall) => GmailFault | undefined,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const url = new URL(request.url ?? '/', 'http://local.invalid');
  const call = routeOf(request.method ?? '', url, Buffer.concat(chunks).toString('utf8'));
  if (call === null) return answer(response, notFound);
  const fault = faultOf(call);
  if (fault === 'timeout') return;
  if (fault === 'reset') return void response.destroy();
  if (typeof fault === 'number') return answer(response, refusal(fault, reasons[fault]));
  if (typeof fault === 'object') return answer(response, refusal(fault.status, fault.reason, fault.message));
  const result = perform(call, state);
  if (fault === 'lost-answer') return void response.destroy();
  answer(response, result);
}

const reasons: Readonly<Record<GmailFault & number, string>> = {
  401: 'authError',
  403: 'userRateLimitExceeded',
  429: 'rateLimitExceeded',
  500: 'backendError',
  503: 'backendError',
};

function answer(response: ServerResponse, { status, json }: GmailResult): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' });
  response.end(json === undefined ? undefined : JSON.stringify(json));
}

function perform(call: GmailCall, state: State): GmailResult {
  const mailbox = mailboxOf(call.mailbox, state);
  switch (call.method) {
    case 'getProfile':
      return { status: 200, json: { emailAddress: mailbox.address, historyId: String(mailbox.historyId()) } };
    case 'history.list':
      return listHistory(mailbox, call, state.pageSize);
    case 'messages.list':
      return listMessages(mailbox, call, state.pageSize, state.clock() - state.searchLagMs());
    case 'messages.get': {
      const mail = mailbox.find(call.id ?? '');
      return mail === undefined ? notFound : { status: 200, json: showMail(mail, call.query) };
    }
    case 'messages.attachments.get': {
      const mail = mailbox.find(call.id ?? '');
      return mail === undefined ? notFound : showAttachment(mail, call.attachmentId ?? '');
    }
    case 'threads.get':
      return showThread(
        mailbox.messages().filter(({ threadId }) => threadId === call.id),
        call,
      );
    case 'messages.import':
      return take(mailbox, call);
    case 'messages.send':
      return send(mailbox, call, state);
    case 'watch':
      return watch(mailbox, state);
    case 'stop':
      state.watches.delete(mailbox.address);
      return { status: 204 };
  }
}

const showThread = (mails: readonly StoredMail[], { id, query }: GmailCall): GmailResult =>
  mails.length === 0 ? notFound : { status: 200, json: { id, messages: mails.map((mail) => showMail(mail, query)) } };

/** Mail from elsewhere, as if it had come by SMTP. */
function take(mailbox: LocalMailbox, { body }: GmailCall): GmailResult {
  const { headers, text } = parseRaw(String(body.raw ?? ''));
  const named = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  const { id, threadId, labelIds } = mailbox.deliver({ subject: '', text, headers: named });
  return { status: 200, json: { id, threadId, labelIds } };
}

function send(mailbox: LocalMailbox, { body }: GmailCall, state: State): GmailResult {
  const { headers, text } = parseRaw(String(body.raw ?? ''));
  const named = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  const threadId = typeof body.threadId === 'string' ? { threadId: body.threadId } : {};
  const mail = mailbox.deliver({ ...threadId, text, headers: named, labels: ['SENT'] });
  state.sent.push({ mailbox: mailbox.address, threadId: mail.threadId, headers, text, at: state.clock() });
  return { status: 200, json: { id: mail.id, threadId: mail.threadId, labelIds: mail.labelIds } };
}

function watch(mailbox: LocalMailbox, state: State): GmailResult {
  const until = state.clock() + WATCH_MS;
  state.watches.set(mailbox.address, until);
  // "A successful watch() immediately publishes one notification."
  state.publish(mailbox);
  return { status: 200, json: { historyId: String(mailbox.historyId()), expiration: String(until) } };
}
