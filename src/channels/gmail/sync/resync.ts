import { currentHistoryId, listMessages } from '../read/messages.ts';
import { later } from './history.ts';
import { KEPT_GAPS, type MailboxState, newMailbox } from './mailbox-state.ts';
import { acceptMessages, type Session } from './session.ts';

/** How far back a mailbox is listed, in ms. Shorter than the time for which a message's identity is remembered. */
const RESYNC_MS = 30 * 86_400_000;

/** Epoch ms before which a mailbox's messages are none of ours. */
export const floorOf = (startedAt: number, now: number): number => Math.max(startedAt, now - RESYNC_MS);

/**
 * Lists the mailbox anew because its cursor is too old, or because there is none yet. The history id comes first: what
 * arrives while the list is read is in the history after it.
 * @throws as `syncMailbox`
 */
export async function resync(session: Session, { historyId: from, startedAt }: MailboxState): Promise<void> {
  const { client, mailbox, mailboxes, signal, clock, logger, tenant } = session;
  const to = await currentHistoryId(client, mailbox, signal);
  const begunAt = clock();
  const listed = await listAll(floorOf(startedAt, begunAt), session);
  // What came just before the id above may have been missing in a list that is behind, and is in no history after it.
  await session.pause(INDEX_LAG_MS, signal);
  await listAll(Math.max(startedAt, begunAt - RECENT_MS), session);
  await mailboxes.update(mailbox, (known) =>
    restarted(known ?? newMailbox(startedAt), { from, to, listed, at: clock() }),
  );
  if (from !== null) logger.warn({ tenant, channel: 'gmail', from, to, listed }, 'mailbox.gap-filled');
}

/** How far the list of messages may be behind the mailbox, in ms: what was seen of the history, and then some. */
const INDEX_LAG_MS = 6_000;
/** Messages that are listed a second time, in ms before the first list began. */
const RECENT_MS = 10 * 60_000;

/** Accepts every message since then; returns how many there were. */
async function listAll(since: number, session: Session): Promise<number> {
  const { client, mailbox, signal, keepLease } = session;
  let listed = 0;
  let token: string | undefined;
  do {
    await keepLease();
    const page = await listMessages(client, mailbox, since, token, signal);
    await acceptMessages(page.messages, session);
    listed += page.messages.length;
    token = page.next;
  } while (token !== undefined);
  return listed;
}

interface Restart {
  readonly from: string | null;
  readonly to: string;
  readonly listed: number;
  readonly at: number;
}

/** A cursor that Gmail refused is replaced whatever the new one is: ids of a restored mailbox may start lower. */
function restarted(known: MailboxState, { from, to, listed, at }: Restart): MailboxState {
  const historyId = known.historyId === from ? to : later(known.historyId, to);
  const gaps = from === null ? known.gaps : [...known.gaps, { at, from, to, listed }].slice(-KEPT_GAPS);
  return { ...known, historyId, reached: null, recent: [], awaited: null, syncedAt: at, gaps };
}
