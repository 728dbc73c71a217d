import { randomUUID } from 'node:crypto';
import { graphTime } from './signer.ts';

/** An object as Graph's API shows it, and where it lies. */
export interface StoredObject {
  /** Path as notifications write it, e.g. `Users/{guid}/Messages/{id}`. */
  readonly resource: string;
  /** Subscriptions to any of these see it; lower case, with ids and addresses alike. */
  readonly collections: readonly string[];
  /** Epoch milliseconds. */
  readonly createdAt: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface TestUser {
  readonly id: string;
  /** `userPrincipalName` */
  readonly name: string;
}

/** What is in the tenant: people, mail, chats and channels. */
export interface GraphObjects {
  /** The user of an id or an address, made on first sight. */
  user(idOrName: string): TestUser;
  add(object: StoredObject): StoredObject;
  /** By its path in lower-case collections, however users are named. */
  find(path: string): StoredObject | undefined;
  alias(path: string, object: StoredObject): void;
  /** Takes it away, as its owner does. */
  remove(object: StoredObject): void;
  all(): readonly StoredObject[];
  inCollection(collection: string): readonly StoredObject[];
  /** How any spelling of a resource or path is compared: collections and users in one form, `('id')` as `/id`. */
  canonical(path: string): string;
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function createGraphObjects(): GraphObjects {
  const users = new Map<string, TestUser>();
  const objects = new Map<string, StoredObject>();

  const user = (idOrName: string): TestUser => {
    const key = idOrName.toLowerCase();
    const known = users.get(key);
    if (known !== undefined) return known;
    const made = { id: GUID.test(key) ? key : randomUUID(), name: key };
    users.set(made.id, made);
    users.set(made.name, made);
    return made;
  };

  const canonical = (path: string): string => {
    const [plain = ''] = path
      .replace(/\('([^']*)'\)/g, '/$1')
      .replace(/^\/+/, '')
      .split('?');
    const parts = plain.split('/').map((part, at) => (at % 2 === 0 ? part.toLowerCase() : decodeURIComponent(part)));
    if (parts[0] === 'users' && parts[1] !== undefined) parts[1] = user(parts[1]).id;
    return parts.join('/');
  };

  const all = (): StoredObject[] => [...new Set(objects.values())];

  return {
    user,
    canonical,
    add(object) {
      objects.set(canonical(object.resource), object);
      return object;
    },
    find: (path) => objects.get(canonical(path)),
    alias: (path, object) => void objects.set(canonical(path), object),
    remove: (object) => void objects.delete(canonical(object.resource)),
    all,
    inCollection: (collection) => {
      const wanted = canonical(collection);
      return all().filter(({ collections }) => collections.includes(wanted));
    },
  };
}

export interface MailOptions {
  readonly mailbox: string;
  readonly body: Readonly<Record<string, unknown>> & { readonly id: string };
  readonly at: number;
  /** Default `inbox`. */
  readonly folder?: string;
}

/** A mail in a mailbox, with the folder's id in it. */
export function mailObject(objects: GraphObjects, { mailbox, body, at, folder = 'inbox' }: MailOptions): StoredObject {
  const { id } = objects.user(mailbox);
  return {
    resource: `Users/${id}/Messages/${body.id}`,
    collections: [`users/${id}/messages`, `users/${id}/mailfolders/${folder}/messages`],
    createdAt: at,
    body: { ...body, parentFolderId: folderId(id, folder) },
  };
}

export const folderId = (userId: string, folder: string): string => `folder-${folder}-${userId}`;

/** A message of a chat. */
export const chatObject = (chat: string, body: Readonly<Record<string, unknown>>, at: number): StoredObject => ({
  resource: `chats('${chat}')/messages('${body.id}')`,
  collections: [`chats/${chat}/messages`, 'chats/getAllMessages'],
  createdAt: at,
  body: { ...body, chatId: chat, channelIdentity: null, lastModifiedDateTime: graphTime(at) },
});

/** A post in a channel, or a reply below one. */
export function channelObject(
  place: { readonly team: string; readonly channel: string; readonly replyTo?: string },
  body: Readonly<Record<string, unknown>>,
  at: number,
): StoredObject {
  const { team, channel, replyTo } = place;
  const root = `teams('${team}')/channels('${channel}')/messages('${replyTo ?? body.id}')`;
  return {
    resource: replyTo === undefined ? root : `${root}/replies('${body.id}')`,
    collections: [
      `teams/${team}/channels/${channel}/messages`,
      `teams/${team}/channels/getAllMessages`,
      'teams/getAllMessages',
    ],
    createdAt: at,
    body: {
      ...body,
      replyToId: replyTo ?? null,
      channelIdentity: { teamId: team, channelId: channel },
      lastModifiedDateTime: graphTime(at),
    },
  };
}
