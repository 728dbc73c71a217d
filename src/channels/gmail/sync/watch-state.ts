import { z } from 'zod';
import { errorCodes } from '../../../core/errors.ts';
import type { Records } from '../../../queue/records.ts';
import { createStored, type Stored } from './stored.ts';

const watchState = z.object({
  v: z.literal(1),
  /** Epoch ms at which Gmail stops publishing, as it said; null when it was never asked to publish. */
  expiresAt: z.number().nullable(),
  /** Epoch ms from which it is to be asked again. */
  dueAt: z.number(),
  /** Attempts that failed since the last good one. */
  failures: z.number(),
  /** Why the last one failed. */
  code: z.enum(errorCodes).nullable(),
});
export type WatchState = z.output<typeof watchState>;

/** What Gmail publishes for us. Kept apart from the cursors, so that nothing a renewal writes can touch one. */
export type Watches = Stored<WatchState>;

export const newWatch: WatchState = { v: 1, expiresAt: null, dueAt: 0, failures: 0, code: null };

export const createWatches = (records: Records, tenant: string): Watches =>
  createStored(records, tenant, 'gmail-watches', watchState);
