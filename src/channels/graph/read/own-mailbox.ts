import { ask } from '../api/failure.ts';
import type { GraphApi } from '../api/graph-api.ts';
import { isGuid, splitPath } from '../resource.ts';
import type { OwnMailbox } from './mail.ts';

/** Tells a mailbox's own mail. @throws SallyportError ERR_SOURCE_* */
export type FindOwnMailbox = (mailbox: string, resource: string | null, signal: AbortSignal) => Promise<OwnMailbox>;

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
