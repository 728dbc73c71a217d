import type { ErrorCode } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';

/** One thing of a vendor that sends us events and must be kept alive: a Graph subscription, a Gmail watch. */
export interface KeptSource {
  /** Readable and without secrets, e.g. `users/a@contoso.com/messages`. Unique within its task. */
  readonly name: string;
  /** `active`: the vendor sends. `failing`: it still sends, but the last renewal failed. `lapsed`: it sends nothing. */
  readonly state: 'active' | 'failing' | 'lapsed';
  /** Epoch ms at which the vendor stops sending, as the vendor said; null when there is nothing to expire. */
  readonly expiresAt: number | null;
  /** Epoch ms at which the vendor last sent something of it; null when it never did. */
  readonly lastEventAt: number | null;
  /** Why it is failing or lapsed. */
  readonly code?: ErrorCode;
}

export interface KeeperReport {
  readonly sources: readonly KeptSource[];
}

/**
 * Keeps one channel's sources of one tenant alive. The keeper runs it every minute or so on one worker at a time, so a
 * run does only what is due. It is repeatable: a worker that died may have got anywhere, and after a lost lease two may
 * overlap for a moment.
 */
export interface KeeperTask {
  /** Unique over all tasks, e.g. `graph/default`. */
  readonly name: string;
  readonly tenant: string;
  readonly channel: ChannelName;
  /**
   * Aborted when another worker leads or this one stops. Failures of single sources belong into the report.
   * @throws SallyportError when nothing can be said about any source
   */
  run(signal: AbortSignal): Promise<KeeperReport>;
}
