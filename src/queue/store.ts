import type { Rate } from '../core/rate.ts';
import type { Audit } from './audit.ts';
import type { Callbacks } from './callbacks.ts';
import type { Erasure } from './erasure.ts';
import type { Events } from './events.ts';
import type { Inbox } from './inbox.ts';
import type { Jobs } from './jobs.ts';
import type { Journal } from './journal.ts';
import type { Lease } from './lease.ts';
import type { Ledger } from './ledger.ts';
import type { Limits } from './limits.ts';
import type { Records } from './records.ts';
import type { Reviews } from './reviews.ts';

/** What a driver opens: every port over one store. */
export interface Store {
  readonly inbox: Inbox;
  readonly events: Events;
  readonly reviews: Reviews;
  readonly jobs: Jobs;
  readonly lease: Lease;
  readonly journal: Journal;
  readonly callbacks: Callbacks;
  readonly records: Records;
  readonly ledger: Ledger;
  readonly limits: Limits;
  readonly audit: Audit;
  readonly erasure: Erasure;
  /**
   * Checks that what the store acknowledges is durable.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, or ERR_STORE_UNSAFE with a text that names the setting to change.
   */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Numbers both drivers keep to; `event-log` in ARCHITECTURE.md gives the reasons. */
export interface StoreLimits {
  /** Life of a lease without `extend`. Workers extend at a third of it. */
  readonly leaseMs: number;
  /** Leases a head may take before it is parked: a worker that is killed counts. */
  readonly maxAttempts: number;
  /** Sum of a head's back-off waits before it is parked. */
  readonly maxBackoffMs: number;
  /** Older than this when its turn comes: expired, not run. */
  readonly maxAgeMs: number;
  /** A wake handed to the executor and not heard of for this long is given again. */
  readonly rewakeMs: number;
  /** How long ended events are kept. */
  readonly retentionMs: number;
  /** Of tenants with a time of their own, in ms. Absent: there are none. */
  readonly retentionMsOf?: ReadonlyMap<string, number>;
  /** How long entries of the audit are kept. */
  readonly auditKeepMs: number;
  /** Events of one tenant that may wait; more are refused (`full`) before they are marked seen. */
  readonly queueCap: number;
  /** Events that each channel of each tenant may accept: a bucket of so many, which fills within the window. */
  readonly channelRate: Rate;
}

/** How long ended events of a tenant are kept, in ms. */
export const retentionOf = ({ retentionMs, retentionMsOf }: StoreLimits, tenant: string): number =>
  retentionMsOf?.get(tenant) ?? retentionMs;

export const defaultLimits: StoreLimits = {
  leaseMs: 30_000,
  maxAttempts: 5,
  maxBackoffMs: 60_000,
  maxAgeMs: 86_400_000,
  rewakeMs: 60_000,
  retentionMs: 30 * 86_400_000,
  auditKeepMs: 90 * 86_400_000,
  queueCap: 50_000,
  channelRate: { count: 60_000, windowMs: 60_000 },
};
