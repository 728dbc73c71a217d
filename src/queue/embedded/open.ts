import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Store, StoreLimits } from '../store.ts';
import { connect, createCounter, makeQuick } from './file/connection.ts';
import { createCheck, openDataFile } from './file/data-file.ts';
import { createLateSync } from './file/late-sync.ts';
import { createWriter } from './file/writer.ts';
import { createAudit } from './ports/audit.ts';
import { createErasure } from './ports/erasure.ts';
import { createEvents } from './ports/events.ts';
import { createInbox } from './ports/inbox.ts';
import { createCallbacks, createJournal } from './ports/journal.ts';
import { createLease } from './ports/lease.ts';
import { createLedger } from './ports/ledger.ts';
import { createLimits } from './ports/limits.ts';
import { createRecords } from './ports/records.ts';
import { createReviews } from './ports/reviews.ts';
import { createJobs } from './run/jobs.ts';
import { createTurns } from './run/turns.ts';
import { createSignal, type StoreParts } from './store-parts.ts';
import { createAuditTable } from './tables/audit-table.ts';
import { createConversationTable } from './tables/conversation-table.ts';
import { createEventTable } from './tables/event-table.ts';

export interface EmbeddedStoreOptions {
  /** The data file; its folder is made when it is missing. */
  readonly path: string;
  readonly limits: StoreLimits;
  /** Check value of `SALLYPORT_ID_KEY`. */
  readonly idCheck: string;
  readonly logger: Logger;
  /** Told of each request that the file or its disk did not serve, with the kind of the fault. */
  readonly onFailure?: (kind: string) => void;
  readonly clock?: Clock;
  /** How long opening waits for other processes that hold the file, in ms. */
  readonly openWithinMs?: number;
  /** How often workers look for what other processes accepted; this process's own accepts ring them at once. */
  readonly pollMs?: number;
  /** How often workers look for what is to be forgotten. */
  readonly sweepMs?: number;
}

/**
 * Opens every port over one SQLite file, for one machine: several processes may open the same file.
 * @throws SallyportError ERR_STORE_UNAVAILABLE, or ERR_STORE_MISMATCH for another key's, program's or release's file.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { path, limits, idCheck, logger, clock = Date.now, openWithinMs, pollMs = 50, sweepMs = 5_000 } = options;
  const connection = await openDataFile(path, idCheck, openWithinMs);
  const writer = createWriter(connection, options.onFailure);
  // For what need not be on disk before it is answered.
  const quickConnection = connect(path);
  makeQuick(quickConnection);
  const quick = { connection: quickConnection, writer: createWriter(quickConnection, options.onFailure) };
  const parts: StoreParts = {
    connection,
    writer,
    counter: createCounter(connection),
    events: createEventTable(connection),
    conversations: createConversationTable(connection),
    audit: createAuditTable(connection),
    due: createSignal<void>(),
    ended: createSignal<string>(),
    limits,
    clock,
    logger,
  };
  const sync = createLateSync(parts);
  const turns = createTurns(parts);
  const jobs = createJobs(parts, { pollMs, sweepMs });
  return {
    inbox: createInbox(parts),
    events: createEvents(parts, turns),
    reviews: createReviews(parts, turns),
    jobs,
    lease: createLease(parts, turns),
    journal: createJournal(parts),
    callbacks: createCallbacks(parts),
    records: createRecords(parts),
    ledger: createLedger({ quick, sync, durable: { connection, writer }, limits, clock }),
    limits: createLimits({ ...quick, clock }),
    audit: createAudit(parts),
    erasure: createErasure(parts, turns),
    check: createCheck(parts, idCheck),
    async close() {
      await jobs.close();
      await sync.end();
      await Promise.all([writer.close(), quick.writer.close()]);
      quick.connection.close();
      connection.close();
    },
  };
}
