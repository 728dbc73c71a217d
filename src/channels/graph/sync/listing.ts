import type { JsonObject } from '../../../core/json/json.ts';
import { mailboxOf, type ObjectRef, splitPath } from '../resource.ts';
import { isTeams } from './lifetimes.ts';

/** Mails asked for at a time; Graph gives at most 1,000, and each page is accepted as one batch. */
export const PAGE = 100;

/** How the objects of a subscribed resource are listed by time. */
export interface Listing {
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
export function listingOf(resource: string, mailbox: string | null): Listing | null {
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
