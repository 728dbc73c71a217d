import type { Clock } from '../../../core/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ParsedEvent } from '../../channel.ts';
import type { GraphApi } from '../api/graph-api.ts';
import { IMMUTABLE_IDS } from '../api/graph-api.ts';
import { pagesOf } from '../api/pages.ts';
import { timeOf } from '../read/message.ts';
import type { Identify, Source } from '../receive/identify.ts';
import { idsOf, isId } from '../resource.ts';
import { listingOf, PAGE } from './listing.ts';

const MINUTE_MS = 60_000;

/** Workers ignore what is older, so nobody needs to list it. */
export const MAX_AGE_MS = 30 * 24 * 60 * MINUTE_MS;

/** Looked at twice: what Graph's lists show late, and what two clocks make of one moment. */
const OVERLAP_MS = 10 * MINUTE_MS;

export interface ResyncDeps {
  readonly api: GraphApi;
  readonly identify: Identify;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Gap {
  readonly resource: string;
  /** How notifications name the mailbox; null where none has come yet. */
  readonly mailbox: string | null;
  readonly source: Source;
  /** Epoch ms between which objects are listed; the beginning is moved back by the overlap, but not before `notBefore`. */
  readonly from: number;
  readonly to: number;
  readonly notBefore: number;
}

/**
 * Lists what a resource got in the meantime and has it accepted. What was known before is a duplicate, and costs nothing
 * but its listing. `onProgress` gets the time up to which everything is durable, where that is known before the end.
 * @throws SallyportError ERR_SOURCE_*, and whatever `accept` throws
 */
export type Resync = (
  gap: Gap,
  accept: (events: readonly ParsedEvent[]) => Promise<void>,
  onProgress: (syncedTo: number) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;

export function createResync({ api, identify, tenant, clock, logger }: ResyncDeps): Resync {
  return async ({ resource, mailbox, source, from, to, notBefore }, accept, onProgress, signal) => {
    const listing = listingOf(resource, mailbox);
    if (listing === null) {
      logger.warn({ tenant, channel: 'graph', resource }, 'source.cannot-be-listed');
      return;
    }
    const start = Math.max(from - OVERLAP_MS, notBefore, clock() - MAX_AGE_MS);
    const query = listing.query(start, to);
    let listed = 0;
    for await (const page of pagesOf(api, { path: listing.path, query, prefer: [IMMUTABLE_IDS], signal })) {
      const rows = page.map(listing.readRow).filter((row) => row !== null);
      const events = rows
        .filter(({ ref }) => idsOf(ref).every(isId))
        .map(({ ref }) =>
          identify.object(ref, source, { resource, foundBy: 'resync' }, { tenant, receivedAt: clock() }),
        );
      if (events.length > 0) await accept(events);
      listed += events.length;
      const last = timeOf(rows.at(-1)?.at);
      // One page is the rule; only what takes several is worth remembering half way.
      if (listing.isAscending && last !== null && rows.length >= PAGE) await onProgress(last);
    }
    logger.info({ tenant, channel: 'graph', resource, listed }, 'source.resynced');
  };
}
