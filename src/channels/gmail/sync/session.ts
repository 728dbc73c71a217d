import type { Clock } from '../../../core/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Lease } from '../../../queue/lease.ts';
import type { ParsedEvent } from '../../channel.ts';
import type { GmailClient } from '../api/client.ts';
import { type IdentifyDeps, type ListedMessage, messageEvent } from '../receive/identify.ts';
import type { Mailboxes } from './mailbox-state.ts';

export interface SyncDeps extends IdentifyDeps {
  readonly client: GmailClient;
  readonly mailboxes: Mailboxes;
  readonly acquire: Lease['acquire'];
  readonly clock: Clock;
  /** Waits; rejects when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly logger: Logger;
}

export interface SyncRequest {
  readonly mailbox: string;
  /** The history id of the push that asks for it; null without a push. */
  readonly pushed: string | null;
  /** Epoch ms from which the mailbox is ours, if this is the first that is heard of it. */
  readonly startedAt: number;
  readonly signal: AbortSignal;
  /** Resolves once the events are durable. */
  readonly accept: (events: readonly ParsedEvent[]) => Promise<void>;
}

/** One sync under its lease. */
export interface Session extends SyncDeps, SyncRequest {
  /** Before each page. @throws SallyportError ERR_SOURCE_UNAVAILABLE when another worker may have begun */
  readonly keepLease: () => Promise<void>;
}

/** Makes listed messages durable. One message occurs in several records, and in several pages. */
export async function acceptMessages(messages: readonly ListedMessage[], session: Session): Promise<void> {
  const { mailbox, clock, accept } = session;
  const unique = new Map(messages.map((message) => [message.id, message]));
  if (unique.size === 0) return;
  const at = clock();
  await accept([...unique.values()].map((message) => messageEvent(mailbox, message, at, session)));
}
