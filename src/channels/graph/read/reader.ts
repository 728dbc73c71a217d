import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { defined } from '../../../core/defined.ts';
import { SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import { isJsonObject, type JsonObject } from '../../../core/json/json-text.ts';
import { htmlToText } from '../../../core/text/html.ts';
import type { Read, ReadContext, Reader } from '../../channel.ts';
import { ask, type GraphApi, IMMUTABLE_IDS } from '../api/graph-api.ts';
import type { Identify } from '../receive/identify.ts';
import type { React } from '../receive/lifecycle.ts';
import { type ObjectDestination, readDestination, refOfDestination } from '../reply/destination.ts';
import { isGuid, type ObjectRef, splitPath } from '../resource.ts';
import type { HandMade, Kept, KeptStore } from '../sync/kept.ts';
import { MAX_AGE_MS } from '../sync/resync.ts';
import { readAttachments } from './attachments.ts';
import { type Message, mailQuery, type OwnMailbox, readMail, timeOf } from './mail.ts';

/**
 * For this long after its notification a missing object may be one that is not readable yet: Graph's `ErrorItemNotFound`
 * on a fresh message passes (github.com/microsoftgraph/msgraph-sdk-dotnet/issues/3080).
 */
const SETTLE_MS = 5_000;

/** How often a subscription's record is told that it was heard of. */
const TOUCH_MS = 60_000;

/** Turns notifications, which are hints, into the messages they are about; and does what lifecycle notifications ask for. */
export function createGraphReader({
  access,
  react,
  store,
  handMade,
  identify,
  clock,
}: {
  /** Null without credentials: only what came inside a rich notification can be read. */
  readonly access: { readonly api: GraphApi; readonly ownMailbox: FindOwnMailbox } | null;
  readonly react: React;
  readonly store: KeptStore;
  readonly handMade: HandMade;
  readonly identify: Identify;
  readonly clock: Clock;
}): Reader {
  /** What a rich notification brought, as far as it is enough. */
  const readContent = async (
    { payload }: InboundEvent,
    ref: ObjectRef,
    kept: Kept | null,
    { signal }: ReadContext,
  ): Promise<Message | null> => {
    const content = isJsonObject(payload) ? payload.content : undefined;
    if (!isJsonObject(content)) return null;
    if (ref.kind !== 'mail') return readChatMessage(content);
    const own = access === null ? unknownMailbox : await access.ownMailbox(ref.mailbox, kept?.resource ?? null, signal);
    // The scrubber may have hidden the id in the payload; the one that counts stands in the destination.
    return readMail({ ...content, id: ref.message }, own);
  };

  const readFetched = async (ref: ObjectRef, kept: Kept | null, { signal }: ReadContext): Promise<Message | null> => {
    if (access === null) {
      throw new SallyportError(
        'ERR_SOURCE_REJECTED',
        'GRAPH_CLIENT_ID and GRAPH_CLIENT_SECRET are needed to read this',
      );
    }
    const object = await fetchObject(access.api, ref, signal);
    if (object === null) return null;
    if (ref.kind !== 'mail') return usable(readChatMessage(object));
    return usable(readMail(object, await access.ownMailbox(ref.mailbox, kept?.resource ?? null, signal)));
  };

  return {
    async read(event, context) {
      const destination = readDestination(event.destination);
      if (destination === null) throw new SallyportError('ERR_SOURCE_REJECTED', 'the event names no Graph object');
      if (destination.kind === 'lifecycle') return react(destination, context);
      const kept = await touch(destination, event, store);
      const ref = refOfDestination(destination);
      const message = (await readContent(event, ref, kept, context)) ?? (await readFetched(ref, kept, context));
      if (message === null) return missing(context.eligibleAt, clock);
      // The id in a hand-made subscription's notification changes when the mail is moved; the object's own does not.
      if (ref.kind === 'mail' && message.id !== undefined && message.id !== ref.message) {
        return handOver({ ...ref, message: message.id }, destination, event, context, identify);
      }
      const start = await startOf(destination, kept, event, { handMade, clock });
      if (message.createdAt !== null && message.createdAt < start) return { kind: 'ignored', reason: 'before_start' };
      if (message.irrelevance !== null) return { kind: 'ignored', reason: message.irrelevance };
      if (access === null || message.hasAttachments !== true) return { kind: 'task', content: message.content };
      const attachments = await readAttachments(access.api, pathOf(ref), context.signal);
      return { kind: 'task', content: { ...message.content, ...(attachments.length > 0 && { attachments }) } };
    },
  };
}

const unknownMailbox: OwnMailbox = { addresses: new Set(), sentItemsId: null };

function usable(message: Message | null): Message {
  if (message !== null) return message;
  throw new SallyportError('ERR_SOURCE_REJECTED', 'Graph answered with something that is no message');
}

function missing(eligibleAt: number, clock: Clock): Read {
  if (clock() - eligibleAt >= SETTLE_MS) return { kind: 'ignored', reason: 'gone' };
  throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Graph does not show the object yet');
}

/** The same object under the id it keeps; whichever subscription told of it first is the one that runs. */
async function handOver(
  ref: ObjectRef,
  { nonce, subscription }: ObjectDestination,
  { tenant, receivedAt, payload }: InboundEvent,
  { accept }: ReadContext,
  identify: Identify,
): Promise<Read> {
  const kept = isJsonObject(payload) ? payload : {};
  await accept([identify.object(ref, { nonce, subscription }, kept, { tenant, receivedAt })]);
  return { kind: 'handled' };
}

/** Epoch ms before which objects are old news. */
async function startOf(
  { subscription }: ObjectDestination,
  kept: Kept | null,
  { receivedAt }: InboundEvent,
  { handMade, clock }: { readonly handMade: HandMade; readonly clock: Clock },
): Promise<number> {
  const oldest = clock() - MAX_AGE_MS;
  if (kept !== null) return Math.max(oldest, kept.startedAt);
  return subscription === undefined ? oldest : Math.max(oldest, await handMade.startOf(subscription, receivedAt));
}

/** Remembers that the subscription lives, and how its notifications name the mailbox. */
async function touch(
  destination: ObjectDestination,
  { receivedAt }: InboundEvent,
  store: KeptStore,
): Promise<Kept | null> {
  const { nonce, subscription } = destination;
  if (nonce === undefined) return null;
  const kept = await store.get(nonce);
  // What a resync found says nothing about the subscription.
  if (kept === null || subscription === undefined) return kept;
  const mailbox = destination.kind === 'mail' ? destination.mailbox : kept.mailbox;
  const heardAt = Math.max(kept.lastEventAt ?? 0, receivedAt);
  if (mailbox === kept.mailbox && heardAt - (kept.lastEventAt ?? 0) < TOUCH_MS) return kept;
  return store.update(nonce, (latest) => ({ mailbox, lastEventAt: Math.max(latest.lastEventAt ?? 0, heardAt) }));
}

const text = z.string().nullish();

const identity = z.looseObject({ id: text, displayName: text }).nullish();

const chatMessageSchema = z.looseObject({
  id: text,
  messageType: text,
  createdDateTime: text,
  deletedDateTime: text,
  from: z.looseObject({ user: identity, application: identity }).nullish(),
  subject: text,
  body: z.looseObject({ contentType: text, content: text }),
  attachments: z
    .array(z.looseObject({ name: text, contentType: text }))
    .nullish()
    .catch(null),
});
type ChatMessage = z.infer<typeof chatMessageSchema>;

/** A message of a Teams chat or channel. Null when it is none. */
function readChatMessage(value: JsonObject): Message | null {
  const message = chatMessageSchema.safeParse(value).data;
  if (message === undefined) return null;
  const body = message.body.content ?? '';
  const plain = message.body.contentType?.toLowerCase() === 'html' ? htmlToText(body) : body.trim();
  const { id: user, displayName } = message.from?.user ?? {};
  // What has a name is a file; the rest is cards and quoted messages.
  const attachments = (message.attachments ?? []).flatMap(({ name, contentType }) =>
    name ? [{ name, type: contentType || 'application/octet-stream' }] : [],
  );
  return {
    id: message.id ?? undefined,
    createdAt: timeOf(message.createdDateTime),
    irrelevance: whyIgnore(message),
    content: {
      text: [message.subject ?? '', plain].filter(Boolean).join('\n\n'),
      author: user ? { id: user, kind: 'user' } : { id: 'unknown', kind: 'unknown' },
      ...defined({ authorName: displayName || undefined }),
      ...(attachments.length > 0 && { attachments }),
      payload: value,
    },
  };
}

/** Our own bot is an application too, and bots that answer bots never end. */
function whyIgnore({ messageType, deletedDateTime, from }: ChatMessage): string | null {
  if (deletedDateTime) return 'deleted';
  if (messageType && messageType !== 'message') return 'system_message';
  return from?.application ? 'bot_message' : null;
}

/** Graph turns the body of a mail into text itself when asked. */
const TEXT_BODIES = 'outlook.body-content-type="text"';

/** The object itself; null when there is no such object (any more). @throws SallyportError ERR_SOURCE_* */
async function fetchObject(api: GraphApi, ref: ObjectRef, signal: AbortSignal): Promise<JsonObject | null> {
  const isMail = ref.kind === 'mail';
  const query = isMail ? { query: mailQuery } : {};
  const prefer = [IMMUTABLE_IDS, ...(isMail ? [TEXT_BODIES] : [])];
  const answer = await ask(api, { method: 'GET', path: pathOf(ref), prefer, signal, ...query }, [404, 410]);
  return answer.status === 404 || answer.status === 410 ? null : answer.body;
}

export function pathOf(ref: ObjectRef): string {
  const join = (...segments: readonly string[]): string =>
    segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
  switch (ref.kind) {
    case 'mail':
      return join('users', ref.mailbox, 'messages', ref.message);
    case 'chat':
      return join('chats', ref.chat, 'messages', ref.message);
    case 'channel': {
      const root = join('teams', ref.team, 'channels', ref.channel, 'messages', ref.root);
      return ref.reply === undefined ? root : root + join('replies', ref.reply);
    }
  }
}

/** Tells a mailbox's own mail. @throws SallyportError ERR_SOURCE_* */
type FindOwnMailbox = (mailbox: string, resource: string | null, signal: AbortSignal) => Promise<OwnMailbox>;

/** Mailboxes one worker remembers; asking again costs one short call. */
const MAX_REMEMBERED = 10_000;

/** Asks each mailbox once where its sent mail lies; that never changes. `resource` is the subscription's, which may name its address. */
export function createOwnMailboxes(api: GraphApi): FindOwnMailbox {
  const sentItems = new Map<string, string | null>();
  return async (mailbox, resource, signal) => {
    let sentItemsId = sentItems.get(mailbox);
    if (sentItemsId === undefined) {
      sentItemsId = await askForSentItems(api, mailbox, signal);
      if (sentItems.size >= MAX_REMEMBERED) sentItems.clear();
      sentItems.set(mailbox, sentItemsId);
    }
    const names = [mailbox, splitPath(resource ?? '')[0]?.id ?? ''].map((name) => name.toLowerCase());
    return { addresses: new Set(names.filter((name) => name.includes('@') && !isGuid(name))), sentItemsId };
  };
}

/** Null where the app may not see folders: then the address alone tells. */
async function askForSentItems(api: GraphApi, mailbox: string, signal: AbortSignal): Promise<string | null> {
  const path = `/users/${encodeURIComponent(mailbox)}/mailFolders/sentitems`;
  const { status, body } = await ask(api, { method: 'GET', path, query: { $select: 'id' }, signal }, [400, 403, 404]);
  return status === 200 && typeof body.id === 'string' ? body.id : null;
}
