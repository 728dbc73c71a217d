/** The object a notification is about, by the ids Graph uses in paths. */
export type ObjectRef =
  | { readonly kind: 'mail'; readonly mailbox: string; readonly message: string }
  | { readonly kind: 'chat'; readonly chat: string; readonly message: string }
  | {
      readonly kind: 'channel';
      readonly team: string;
      readonly channel: string;
      /** The first message of the thread. */
      readonly root: string;
      /** Absent: the object is the root itself. */
      readonly reply: string | undefined;
    };

/**
 * Reads a resource path: `users/{id}/messages/{id}`, `Users('{id}')/Messages('{id}')`, a chat's or a channel's message,
 * however its collections are capitalised. Null for what we have no reader for. Ids are taken as they are, because
 * Outlook's differ in case alone (learn.microsoft.com/graph/outlook-immutable-id).
 */
export function refOf(resource: string): ObjectRef | null {
  const parts = splitPath(resource);
  // A user's chats are the same chats.
  const isUsersChat = parts[0]?.name === 'users' && parts[1]?.name === 'chats';
  const [first, second, third, fourth, ...rest] = isUsersChat ? parts.slice(1) : parts;
  const path = [first, second, third, fourth].map((part) => part?.name ?? '').join('/');
  const [a, b, c, d] = [first?.id, second?.id, third?.id, fourth?.id];
  if (a === undefined || b === undefined || rest.length > 0) return null;
  switch (path) {
    case 'users/messages//':
      return { kind: 'mail', mailbox: mailboxOf(a), message: b };
    case 'users/mailfolders/messages/':
      return c === undefined ? null : { kind: 'mail', mailbox: mailboxOf(a), message: c };
    case 'chats/messages//':
      return { kind: 'chat', chat: a, message: b };
    case 'teams/channels/messages/':
    case 'teams/channels/messages/replies':
      return c === undefined ? null : { kind: 'channel', team: a, channel: b, root: c, reply: d };
    default:
      return null;
  }
}

interface Part {
  /** The collection in lower case. */
  readonly name: string;
  readonly id: string | undefined;
}

const KEYED = /^([A-Za-z]+)\('(.*)'\)$/;

/** `a('1')/b('2')` and `a/1/b/2` are the same path. */
export function splitPath(resource: string): Part[] {
  const [path = ''] = resource.split('?', 1);
  const parts: Part[] = [];
  let open: string | undefined;
  for (const segment of path.split('/').filter(Boolean)) {
    const keyed = KEYED.exec(segment);
    if (open !== undefined) {
      parts.push({ name: open, id: decoded(segment) });
      open = undefined;
    } else if (keyed === null) {
      open = segment.toLowerCase();
    } else {
      // OData writes a quote inside a key twice.
      parts.push({ name: (keyed[1] ?? '').toLowerCase(), id: decoded(keyed[2] ?? '').replaceAll("''", "'") });
    }
  }
  return open === undefined ? parts : [...parts, { name: open, id: undefined }];
}

/** Graph writes some ids as they stand in URLs: `19%3Aabc%40thread.tacv2`. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** `{user}@{tenant}`, as notifications sometimes name a user, is `{user}`; neither GUIDs nor addresses know case. */
export function mailboxOf(user: string): string {
  const [id = '', tenant = ''] = user.split('@');
  return (GUID.test(id) && GUID.test(tenant) ? id : user).toLowerCase();
}

export const isGuid = (text: string): boolean => GUID.test(text);

/**
 * What ids in paths consist of: Outlook's are base64url, Teams' like `19:abc_def@thread.tacv2`, users may be addresses.
 * They become names and destinations without being scrubbed, so nothing else gets through.
 */
const ID = /^[A-Za-z0-9{][A-Za-z0-9._:@=+~!{}'-]{0,511}$/;

export const isId = (value: string): boolean => ID.test(value);

/** The ids of a ref, from the outside in. */
export function idsOf(ref: ObjectRef): string[] {
  switch (ref.kind) {
    case 'mail':
      return [ref.mailbox, ref.message];
    case 'chat':
      return [ref.chat, ref.message];
    case 'channel':
      return [ref.team, ref.channel, ref.root, ...(ref.reply === undefined ? [] : [ref.reply])];
  }
}
