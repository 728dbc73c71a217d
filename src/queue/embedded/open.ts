import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Store, StoreLimits } from '../store.ts';
import { createAudit } from './audit.ts';
import { createAuditTable } from './audit-table.ts';
import { createCallbacks } from './callbacks.ts';
import { createCheck } from './check.ts';
import { connect, makeQuick } from './connection.ts';
import { createConversationTable } from './conversation-table.ts';
import { createCounter } from './counter.ts';
import { openDataFile } from './data-file.ts';
import { createEventTable } from './event-table.ts';
import { createEvents } from './events.ts';
import { createInbox } from './inbox.ts';
import { createJobs } from './jobs.ts';
import { createJournal } from './journal.ts';
import { createLateSync } from './late-sync.ts';
import { createLease } from './lease.ts';
import { createLedger, type LedgerParts } from './ledger.ts';
import { createRecords } from './records.ts';
import { createReviews } from './reviews.ts';
import { createSignal } from './signal.ts';
import type { StoreParts } from './store-parts.ts';
import { createTurns } from './turns.ts';
import { createWriter } from './writer.ts';

export interface EmbeddedStoreOptions {
  /** The data file; its folder is made when it is missing. */
  readonly path: string;
  readonly limits: StoreLimits;
  /** Check value of `SALLYPORT_ID_KEY`. */
  readonly idCheck: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** How long opening waits for other processes that hold the file, in ms. */
  readonly openWithinMs?: number;
  /** How often workers look for what other processes accepted; this process's own accepts ring them at once. */
  readonly pollMs?: number;
  /** How often workers look for what is to be forgotten. */
  readonly sweepMs?: number;
}

/** For what need not be on disk before it is answered. */
function openQuickly(path: string): LedgerParts['quick'] {
  const connection = connect(path);
  makeQuick(connection);
  return { connection, writer: createWriter(connection) };
}

/**
 * Opens every port over one SQLite file, for one machine: several processes may open the same file.
 * @throws SallyportError ERR_STORE_UNAVAILABLE, or ERR_STORE_MISMATCH for another key's, program's or release's file.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { path, limits, idCheck, logger, clock = Date.now, openWithinMs, pollMs = 50, sweepMs = 5_000 } = options;
  const connection = await openDataFile(path, idCheck, openWithinMs);
  const writer = createWriter(connection);
  const quick = openQuickly(path);
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
    reviews: createReviews(parts),
    jobs,
    lease: createLease(parts, turns),
    journal: createJournal(parts),
    callbacks: createCallbacks(parts),
    records: createRecords(parts),
    ledger: createLedger({ ...parts, quick, sync }),
    audit: createAudit(parts),
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
