import { randomUUID } from 'node:crypto';
import { folderId, type GraphObjects, mailObject, type StoredObject } from './objects.ts';
import { graphMail } from './signer.ts';
import { type GraphResult, type GraphSubscriptions, graphError } from './subscriptions.ts';

/** A request below `/v1.0`. */
export interface GraphCall {
  readonly method: string;
  /** Without the version, decoded where it is compared. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  /** Where the server is, for links to the next page. */
  readonly origin: string;
}

/** A mail the app sent. */
export interface GraphReply {
  readonly mailbox: string;
  /** Of the mail that was answered. */
  readonly messageId: string;
  readonly text: string;
  readonly message: Readonly<Record<string, unknown>>;
}

/** Answers what an app may ask of mail, chats, channels and subscriptions. */
export async function serveGraph(
  call: GraphCall,
  {
    objects,
    subscriptions,
    clock,
    onAdded,
    replies,
  }: {
    readonly objects: GraphObjects;
    readonly subscriptions: GraphSubscriptions;
    readonly clock: () => number;
    /** Something came into a mailbox by itself. */
    readonly onAdded: (object: StoredObject) => void;
    readonly replies: GraphReply[];
  },
): Promise<GraphResult> {
  const parts = call.path.replace(/^\/+/, '').split('/').map(decodeURIComponent);
  if (parts[0] === 'subscriptions') return serveSubscriptions(call, parts[1], subscriptions);
  if (call.method === 'POST' && parts.at(-1) === 'reply')
    return reply(parts, call, { objects, clock, onAdded, replies });
  if (call.method !== 'GET') return graphError(405, 'MethodNotAllowed');
  if (parts[0] === 'users' && parts.length === 2) {
    const { id, name } = objects.user(parts[1] ?? '');
    return { status: 200, body: { id, userPrincipalName: name } };
  }
  if (parts[2] === 'mailFolders' && parts.length === 4) {
    return { status: 200, body: { id: folderId(objects.user(parts[1] ?? '').id, parts[3] ?? '') } };
  }
  if (parts[0] === 'users' && parts[4] === 'attachments') return showAttachments(parts, call, objects);
  const found = objects.find(call.path);
  if (found !== undefined && parts[0] === 'users') {
    const { attachments: _, ...body } = found.body;
    return { status: 200, body };
  }
  if (found !== undefined) return { status: 200, body: found.body };
  return /\/(messages|getAllMessages)$/i.test(call.path) ? list(call, objects) : graphError(404, 'ErrorItemNotFound');
}

/** What came with a mail (its `attachments`): all without their content, or one with it. */
function showAttachments(parts: readonly string[], { query }: GraphCall, objects: GraphObjects): GraphResult {
  const [, user = '', , messageId = '', , id] = parts;
  const mail = objects.find(`users/${user}/messages/${encodeURIComponent(messageId)}`);
  if (mail === undefined) return graphError(404, 'ErrorItemNotFound');
  const all = (mail.body.attachments ?? []) as readonly Readonly<Record<string, unknown>>[];
  if (id !== undefined) {
    const found = all.find((one) => one.id === id);
    return found === undefined ? graphError(404, 'ErrorItemNotFound') : { status: 200, body: found };
  }
  const wanted = query.get('$select')?.split(',');
  const shown = (one: object) => Object.entries(one).filter(([name]) => wanted?.includes(name) ?? true);
  return { status: 200, body: { value: all.map((one) => Object.fromEntries(shown(one))) } };
}

async function serveSubscriptions(call: GraphCall, id: string | undefined, subscriptions: GraphSubscriptions) {
  if (id === undefined && call.method === 'POST') return subscriptions.create(call.body);
  if (id === undefined) {
    const value = await Promise.all(subscriptions.list().map(async (one) => subscriptions.get(one.id).body));
    return pageOf(value, call, 20);
  }
  if (call.method === 'GET') return subscriptions.get(id);
  if (call.method === 'PATCH') return subscriptions.prolong(id, call.body);
  return call.method === 'DELETE' ? subscriptions.end(id) : graphError(405, 'MethodNotAllowed');
}

/** A collection filtered by time, oldest first for mail and latest first for Teams, in pages. */
function list(call: GraphCall, objects: GraphObjects): GraphResult {
  const filter = call.query.get('$filter') ?? '';
  const bound = (operator: string): number | undefined => {
    const at = new RegExp(`DateTime ${operator} (\\S+)`).exec(filter)?.[1];
    return at === undefined ? undefined : Date.parse(at);
  };
  const [from, after, before] = [bound('ge'), bound('gt'), bound('lt')];
  const property = /p\/value eq '([^']+)'/.exec(filter)?.[1];
  const found = objects.inCollection(call.path).filter(({ createdAt, body }) => {
    if (property !== undefined) return propertiesOf(body).some(({ value }) => value === property);
    return !(
      createdAt < (from ?? 0) ||
      createdAt <= (after ?? -1) ||
      createdAt >= (before ?? Number.POSITIVE_INFINITY)
    );
  });
  const isAscending = /asc$/.test(call.query.get('$orderby') ?? '');
  const sorted = found.toSorted((a, b) => (isAscending ? a.createdAt - b.createdAt : b.createdAt - a.createdAt));
  return pageOf(
    sorted.map(({ body }) => body),
    call,
    Number(call.query.get('$top') ?? 10),
  );
}

const propertiesOf = (body: Readonly<Record<string, unknown>>): { value?: unknown }[] =>
  Array.isArray(body.singleValueExtendedProperties) ? body.singleValueExtendedProperties : [];

function pageOf(rows: readonly unknown[], { path, query, origin }: GraphCall, size: number): GraphResult {
  const skip = Number(query.get('$skip') ?? 0);
  const value = rows.slice(skip, skip + size);
  if (skip + size >= rows.length) return { status: 200, body: { value } };
  const next = new URLSearchParams(query);
  next.set('$skip', String(skip + size));
  return { status: 200, body: { value, '@odata.nextLink': `${origin}/v1.0/${path.replace(/^\/+/, '')}?${next}` } };
}

/** Accepted at once; the sent mail then lies in Sent Items, and whoever watches the mailbox is told of it. */
function reply(
  parts: readonly string[],
  { body }: GraphCall,
  {
    objects,
    clock,
    onAdded,
    replies,
  }: {
    readonly objects: GraphObjects;
    readonly clock: () => number;
    readonly onAdded: (object: StoredObject) => void;
    readonly replies: GraphReply[];
  },
) {
  const [, user = '', , messageId = ''] = parts;
  const mailbox = objects.user(user);
  if (objects.find(`users/${user}/messages/${encodeURIComponent(messageId)}`) === undefined) {
    return graphError(404, 'ErrorItemNotFound');
  }
  const message = (body.message ?? {}) as Record<string, unknown>;
  const text = String((message.body as { content?: unknown } | undefined)?.content ?? body.comment ?? '');
  replies.push({ mailbox: mailbox.name, messageId, text, message });
  const sent = graphMail({ text, id: `sent-${randomUUID()}`, at: clock(), from: mailbox.name });
  const object = mailObject(objects, {
    mailbox: user,
    body: { ...sent, ...message, id: sent.id },
    at: clock(),
    folder: 'sentitems',
  });
  onAdded(objects.add(object));
  return { status: 202 };
}
