import * as z from 'zod';
import type { ChannelName } from '../../core/event.ts';
import { type KeptSource, keptSourceSchema } from '../../core/kept-source.ts';
import type { Records } from '../records.ts';
import { createCollection } from './collection.ts';

/** What the keeper last found out about one channel's sources of a tenant. */
export interface StoredReport {
  readonly channel: ChannelName;
  /** Epoch ms at which the keeper began to look. */
  readonly at: number;
  readonly sources: readonly KeptSource[];
}

/** Where the keeper leaves its reports, and where operators leave their wish for one. */
export interface KeeperReports {
  /** By the task's name; one that cannot be read is left out. */
  read(tenant: string): Promise<ReadonlyMap<string, StoredReport>>;
  write(tenant: string, task: string, report: StoredReport): Promise<void>;
  /** Asks the keeper to look at once. */
  requestSync(tenant: string, at: number): Promise<void>;
  /** Epoch ms of the latest wish; 0 when there never was one. */
  syncRequestedAt(tenant: string): Promise<number>;
}

const reportSchema = z.object({
  v: z.literal(1),
  channel: z.string(),
  at: z.number(),
  sources: z.array(keptSourceSchema),
});
const wishSchema = z.object({ v: z.literal(1), at: z.number() });

export function createKeeperReports(records: Records): KeeperReports {
  const reports = createCollection(records, 'keeper-reports', reportSchema);
  const wishes = createCollection(records, 'keeper-wishes', wishSchema);
  return {
    read: async (tenant) => (await reports.list(tenant)).records,
    // The latest word wins: it says everything the one before it did.
    write: (tenant, task, { channel, at, sources }) =>
      reports.replace(tenant, task, { v: 1, channel, at, sources: [...sources] }),
    requestSync: (tenant, at) => wishes.replace(tenant, 'sync', { v: 1, at }),
    syncRequestedAt: async (tenant) => (await wishes.list(tenant)).records.get('sync')?.at ?? 0,
  };
}
