import type { Clock } from '../../../core/clock.ts';
import type { JsonObject } from '../../../core/json/json-text.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ParsedEvent } from '../../channel.ts';
import { type GraphApi, IMMUTABLE_IDS, pagesOf } from '../api/graph-api.ts';
import { timeOf } from '../read/mail.ts';
import type { Identify, Source } from '../receive/identify.ts';
import { idsOf, isId, mailboxOf, type ObjectRef, splitPath } from '../resource.ts';
import { isTeams } from './subscriptions.ts';

const MINUTE_MS = 60_000;

/** Workers ignore what is older, so nobody needs to list it. */
export const MAX_AGE_MS = 30 * 24 * 60 * MINUTE_MS;

/** Looked at twice: what Graph's lists show late, and what two clocks make of one moment. */
const OVERLAP_MS = 10 * MINUTE_MS;

export interface Gap {
  readonly resource: string;
  /** How notifications name the mailbox; null where none has come yet. */
  readonly mailbox: string | null;
  readonly source: Source;
  /** Epoch ms between which objects are listed; the beginning is moved back by the overlap, but not before `notBefore`. */
  readonly from: number;
  readonly to: number;
  readonly notBefore: number;
}

/**
 * Lists what a resource got in the meantime and has it accepted. What was known before is a duplicate, and costs nothing
 * but its listing. `onProgress` gets the time up to which everything is durable, where that is known before the end.
 * @throws SallyportError ERR_SOURCE_*, and whatever `accept` throws
 */
export type Resync = (
  gap: Gap,
  accept: (events: readonly ParsedEvent[]) => Promise<void>,
  onProgress: (syncedTo: number) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;

export function createResync({
  api,
  identify,
  tenant,
  clock,
  logger,
}: {
  readonly api: GraphApi;
  readonly identify: Identify;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): Resync {
  return async ({ resource, mailbox, source, from, to, notBefore }, accept, onProgress, signal) => {
    const listing = listingOf(resource, mailbox);
    if (listing === null) {
      logger.warn({ tenant, channel: 'graph', resource }, 'source.cannot-be-listed');
      return;
    }
    const start = Math.max(from - OVERLAP_MS, notBefore, clock() - MAX_AGE_MS);
    const query = listing.query(start, to);
    let listed = 0;
    for await (const page of pagesOf(api, { path: listing.path, query, prefer: [IMMUTABLE_IDS], signal })) {
      const rows = page.map(listing.readRow).filter((row) => row !== null);
      const events = rows
        .filter(({ ref }) => idsOf(ref).every(isId))
        .map(({ ref }) =>
          identify.object(ref, source, { resource, foundBy: 'resync' }, { tenant, receivedAt: clock() }),
        );
      if (events.length > 0) await accept(events);
      listed += events.length;
      const last = timeOf(rows.at(-1)?.at);
      // One page is the rule; only what takes several is worth remembering half way.
      if (listing.isAscending && last !== null && rows.length >= PAGE) await onProgress(last);
    }
    logger.info({ tenant, channel: 'graph', resource, listed }, 'source.resynced');
  };
}

/** Mails asked for at a time; Graph gives at most 1,000, and each page is accepted as one batch. */
const PAGE = 100;

/** How the objects of a subscribed resource are listed by time. */
interface Listing {
  /** Below the version, encoded. */
  readonly path: string;
  /** Mail comes oldest first, so progress within a listing is progress. */
  readonly isAscending: boolean;
  query(fromMs: number, toMs: number): Record<string, string>;
  /** The object behind a row, and when it came; null for rows of other chats or without ids. */
  readRow(row: JsonObject): { readonly ref: ObjectRef; readonly at: string } | null;
}

/**
 * Null for what Graph cannot list by time for an app: all chats or all teams of a tenant.
 * `mailbox` is how notifications name the mailbox, once that is known.
 */
function listingOf(resource: string, mailbox: string | null): Listing | null {
  return isTeams(resource) ? teamsListing(resource) : mailListing(resource, mailbox);
}

const encode = (...segments: readonly string[]): string =>
  segments.map((one) => `/${encodeURIComponent(one)}`).join('');

const iso = (ms: number): string => new Date(ms).toISOString();

/** `receivedDateTime` comes first in the filter because the order uses it (learn.microsoft.com/graph/api/user-list-messages). */
function mailListing(resource: string, mailbox: string | null): Listing | null {
  const parts = splitPath(resource);
  const [user, folder] = parts;
  if (user?.name !== 'users' || user.id === undefined || parts.at(-1)?.name !== 'messages') return null;
  const inFolder = parts.length === 3 && folder?.name === 'mailfolders' && folder.id !== undefined;
  if (!inFolder && parts.length !== 2) return null;
  const filter = new URLSearchParams(resource.split('?')[1]).get('$filter');
  const name = mailbox ?? mailboxOf(user.id);
  return {
    path: encode('users', user.id, ...(inFolder ? ['mailFolders', folder.id ?? ''] : []), 'messages'),
    isAscending: true,
    query: (from, to) => ({
      $filter: [
        `receivedDateTime ge ${iso(from)}`,
        `receivedDateTime lt ${iso(to)}`,
        ...(filter ? [`(${filter})`] : []),
      ].join(' and '),
      $orderby: 'receivedDateTime asc',
      $select: 'id,receivedDateTime',
      $top: String(PAGE),
    }),
    readRow: ({ id, receivedDateTime }) =>
      typeof id === 'string' && typeof receivedDateTime === 'string'
        ? { ref: { kind: 'mail', mailbox: name, message: id }, at: receivedDateTime }
        : null,
  };
}

/** Filters work on `lastModifiedDateTime` alone (learn.microsoft.com/graph/api/chat-list-messages, channel-getallmessages). */
function teamsListing(resource: string): Listing | null {
  const parts = splitPath(resource);
  const [first, second] = parts[0]?.name === 'users' ? parts.slice(1) : parts;
  const user = parts[0]?.name === 'users' ? parts[0].id : undefined;
  if (first?.name === 'chats') {
    const isAll = first.id?.toLowerCase() === 'getallmessages';
    if (first.id === undefined || (isAll && user === undefined)) return null;
    const path = isAll ? encode('users', user ?? '', 'chats', 'getAllMessages') : encode('chats', first.id, 'messages');
    return byModification(path, isAll ? {} : { $orderby: 'lastModifiedDateTime desc' }, () => true);
  }
  if (first?.id === undefined || second?.name !== 'channels' || second.id === undefined) return null;
  const channel = second.id.toLowerCase() === 'getallmessages' ? undefined : second.id;
  // A channel's own list has neither replies nor filters.
  return byModification(
    encode('teams', first.id, 'channels', 'getAllMessages'),
    {},
    (ref) => channel === undefined || (ref.kind === 'channel' && ref.channel === channel),
  );
}

const byModification = (
  path: string,
  order: Record<string, string>,
  isWanted: (ref: ObjectRef) => boolean,
): Listing => ({
  path,
  isAscending: false,
  query: (from, to) => ({
    $filter: `lastModifiedDateTime gt ${iso(from)} and lastModifiedDateTime lt ${iso(to)}`,
    ...order,
    $top: '50',
  }),
  readRow(row) {
    const ref = chatRefOf(row);
    const at = row.lastModifiedDateTime;
    return ref !== null && typeof at === 'string' && isWanted(ref) ? { ref, at } : null;
  },
});

function chatRefOf({ id, chatId, channelIdentity, replyToId }: JsonObject): ObjectRef | null {
  if (typeof id !== 'string') return null;
  if (typeof chatId === 'string') return { kind: 'chat', chat: chatId, message: id };
  const { teamId, channelId } = (channelIdentity ?? {}) as JsonObject;
  if (typeof teamId !== 'string' || typeof channelId !== 'string') return null;
  const isReply = typeof replyToId === 'string' && replyToId !== '';
  return {
    kind: 'channel',
    team: teamId,
    channel: channelId,
    root: isReply ? replyToId : id,
    reply: isReply ? id : undefined,
  };
}
