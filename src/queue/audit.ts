import type { AuditEntry, ChainHead, TimedNote } from '../core/audit/chain.ts';
import type { ErrorCode } from '../core/errors.ts';

export interface AuditRange {
  /** The first entry's number, from 1. One that was trimmed stands for the oldest there is. */
  readonly from: number;
  /** 1 to 1000. */
  readonly limit: number;
}

/** One chain of entries a tenant, each with the hash of the one before it. */
export interface Audit {
  /**
   * Adds entries to the end of the tenant's chain: next to each other, in order, each once, whatever other processes add.
   * Resolves with the chain's end after them. Oldest entries are trimmed beside the workers' work (`auditKeepMs`).
   * @throws SallyportError ERR_STORE_UNAVAILABLE; it is then not known whether they were added
   */
  append(tenant: string, notes: readonly TimedNote[]): Promise<ChainHead>;
  /** Oldest first. */
  read(tenant: string, range: AuditRange): Promise<readonly AuditEntry[]>;
  /** The end of the chain; `EMPTY` for a tenant that never had an entry. */
  head(tenant: string): Promise<ChainHead>;
}

/** What a store did to an event by itself, with no worker or person to tell of it. */
export const unaskedNote = (eventId: string, code: ErrorCode, at: number): TimedNote => ({
  at,
  actor: 'system',
  action: code === 'ERR_REVIEW_EXPIRED' ? 'review.expired' : 'event.parked',
  subject: eventId,
  data: { code },
});
