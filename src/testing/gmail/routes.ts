import type { LocalMailbox, StoredMail } from './mailbox.ts';

/** A call as the local Gmail saw it. */
export interface GmailCall {
  readonly method:
    | 'getProfile'
    | 'history.list'
    | 'messages.list'
    | 'messages.get'
    | 'messages.attachments.get'
    | 'messages.import'
    | 'messages.send'
    | 'threads.get'
    | 'watch'
    | 'stop';
  readonly mailbox: string;
  readonly id: string | undefined;
  /** Of an attachment of the message. */
  readonly attachmentId?: string | undefined;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a call comes to: a status and the JSON of its answer. */
export interface GmailResult {
  readonly status: number;
  readonly json?: unknown;
}

const routes: readonly (readonly [string, RegExp, GmailCall['method']])[] = [
  ['GET', /^profile$/, 'getProfile'],
  ['GET', /^history$/, 'history.list'],
  ['GET', /^messages$/, 'messages.list'],
  ['GET', /^messages\/([^/]+)$/, 'messages.get'],
  ['GET', /^messages\/([^/]+)\/attachments\/([^/]+)$/, 'messages.attachments.get'],
  ['POST', /^messages\/import$/, 'messages.import'],
  ['POST', /^messages\/send$/, 'messages.send'],
  ['GET', /^threads\/([^/]+)$/, 'threads.get'],
  ['POST', /^watch$/, 'watch'],
  ['POST', /^stop$/, 'stop'],
];

/** Which call a request is; null for what Gmail does not have. */
export function routeOf(verb: string, url: URL, body: string): GmailCall | null {
  const [, user, rest = ''] = /^\/gmail\/v1\/users\/([^/]+)\/(.+)$/.exec(url.pathname) ?? [];
  if (user === undefined) return null;
  for (const [wanted, pattern, method] of routes) {
    const match = wanted === verb ? pattern.exec(rest) : null;
    if (match === null) continue;
    const mailbox = decodeURIComponent(user).toLowerCase();
    const [, id, attachmentId] = match;
    return { method, mailbox, id, attachmentId, query: url.searchParams, body: body === '' ? {} : JSON.parse(body) };
  }
  return null;
}

/** Cuts a list into pages; tokens are places in it, so what is appended meanwhile comes on the last page. */
function pageOf<T>(items: readonly T[], query: URLSearchParams, cap: number): { items: T[]; nextPageToken?: string } {
  const size = Math.min(Number(query.get('maxResults') ?? 100), cap);
  const from = Number(query.get('pageToken') ?? 0);
  const next = from + size;
  return { items: items.slice(from, next), ...(next < items.length && { nextPageToken: String(next) }) };
}

export const notFound: GmailResult = refusal(404, 'notFound');

/** An error as Google's APIs answer it. */
export function refusal(status: number, reason: string, message = reason): GmailResult {
  return {
    status,
    json: { error: { code: status, message, errors: [{ message, domain: 'global', reason }] } },
  };
}

export function listHistory(mailbox: LocalMailbox, { query }: GmailCall, cap: number): GmailResult {
  const start = query.get('startHistoryId') ?? '';
  const records = /^\d{1,20}$/.test(start) ? mailbox.after(BigInt(start)) : null;
  if (records === null) return notFound;
  const types = new Set(query.getAll('historyTypes').map((type) => type.replace(/^(message|label)/, '$1s')));
  const wanted = types.size === 0 ? records : records.filter(({ kind }) => types.has(kind));
  const { items, nextPageToken } = pageOf(wanted, query, cap);
  const history = items.map(({ id, kind, mail }) => ({
    id: String(id),
    messages: [{ id: mail.id, threadId: mail.threadId }],
    [kind]: [{ message: { id: mail.id, threadId: mail.threadId, labelIds: mail.labelIds } }],
  }));
  return {
    status: 200,
    json: { ...(history.length > 0 && { history }), nextPageToken, historyId: String(mailbox.historyId()) },
  };
}

/** `searchedUntil`: messages after it are not in the search index yet. */
export function listMessages(
  mailbox: LocalMailbox,
  { query }: GmailCall,
  cap: number,
  searchedUntil: number,
): GmailResult {
  const q = query.get('q') ?? '';
  const after = Number(/\bafter:(\d+)/.exec(q)?.[1] ?? 0);
  const unwanted = Object.entries(folders).flatMap(([name, label]) => (q.includes(`-in:${name}`) ? [label] : []));
  const messageId = /\brfc822msgid:(\S+)/.exec(q)?.[1];
  const hidden = [...unwanted, ...(query.get('includeSpamTrash') === 'true' ? [] : ['SPAM', 'TRASH'])];
  const found = mailbox
    .messages()
    .filter(({ at }) => at <= searchedUntil && Math.floor(at / 1000) > after)
    .filter(({ labelIds }) => !labelIds.some((label) => hidden.includes(label)))
    .filter((mail) => messageId === undefined || headerValue(mail, 'Message-ID') === `<${messageId}>`)
    .sort((a, b) => b.at - a.at);
  const { items, nextPageToken } = pageOf(found, query, cap);
  const messages = items.map(({ id, threadId }) => ({ id, threadId }));
  return {
    status: 200,
    json: { ...(messages.length > 0 && { messages }), nextPageToken, resultSizeEstimate: found.length },
  };
}

const folders = { sent: 'SENT', drafts: 'DRAFT', chats: 'CHAT' };

const headerValue = ({ headers }: StoredMail, name: string): string | undefined =>
  headers.find((header) => header.name.toLowerCase() === name.toLowerCase())?.value;

/** A message as `messages.get` shows it. */
export function showMail(mail: StoredMail, query: URLSearchParams): object {
  const wanted = query.getAll('metadataHeaders').map((name) => name.toLowerCase());
  const isFull = query.get('format') !== 'metadata';
  const headers =
    isFull || wanted.length === 0
      ? mail.headers
      : mail.headers.filter(({ name }) => wanted.includes(name.toLowerCase()));
  const [only] = mail.parts;
  const bodies = mail.parts.map(showPart);
  const content =
    mail.parts.length === 1 && only !== undefined
      ? { ...bodies[0], headers: [...headers, ...(only.headers ?? [])] }
      : { mimeType: 'multipart/mixed', headers, parts: bodies };
  const { id, threadId, labelIds, at } = mail;
  return {
    id,
    threadId,
    labelIds,
    internalDate: String(at),
    payload: isFull ? content : { mimeType: 'text/plain', headers },
  };
}

/** What has a file name is an attachment, whose bytes are asked for by its id. */
function showPart({ mimeType, data, filename = '', headers = [] }: StoredMail['parts'][number], at: number): object {
  const bytes = Buffer.from(data);
  const content = filename === '' ? { data: bytes.toString('base64url') } : { attachmentId: `part-${at}` };
  return { mimeType, filename, headers, body: { size: bytes.length, ...content } };
}

export function showAttachment(mail: StoredMail, id: string): GmailResult {
  const part = /^part-(\d+)$/.exec(id)?.[1];
  const data = part === undefined ? undefined : mail.parts[Number(part)]?.data;
  if (data === undefined) return notFound;
  const bytes = Buffer.from(data);
  return { status: 200, json: { size: bytes.length, data: bytes.toString('base64url') } };
}

/** What a raw message says, in its plainest part; enough for messages that are made by machines. */
export function parseRaw(raw: string): { headers: { name: string; value: string }[]; text: string } {
  const { headers, body } = parsePart(Buffer.from(raw, 'base64url').toString('utf8'));
  const boundary = /^multipart\/[\w-]+;.*boundary="([^"]+)"/i.exec(headerIn(headers, 'content-type'))?.[1];
  if (boundary === undefined) return { headers, text: textOfPart({ headers, body }) };
  const [, first = ''] = body.split(`--${boundary}\r\n`);
  return { headers, text: textOfPart(parsePart(first)) };
}

interface RawPart {
  readonly headers: { name: string; value: string }[];
  readonly body: string;
}

function parsePart(text: string): RawPart {
  const [head = '', ...body] = text.split('\r\n\r\n');
  const headers = head
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
    .map((line) => {
      const at = line.indexOf(':');
      return { name: line.slice(0, at), value: line.slice(at + 1).trim() };
    });
  return { headers, body: body.join('\r\n\r\n') };
}

const headerIn = (headers: RawPart['headers'], wanted: string): string =>
  headers.find(({ name }) => name.toLowerCase() === wanted)?.value ?? '';

const textOfPart = ({ headers, body }: RawPart): string =>
  /base64/i.test(headerIn(headers, 'content-transfer-encoding')) ? Buffer.from(body, 'base64').toString('utf8') : body;
