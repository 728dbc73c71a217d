import { z } from 'zod';
import type { ChannelName } from '../../core/event.ts';
import { type KeptSource, keptSourceSchema } from '../../core/kept-source.ts';
import type { Records } from '../records.ts';

/** What the keeper last found out about one channel's sources of a tenant. */
export interface StoredReport {
  readonly channel: ChannelName;
  /** Epoch ms at which the keeper began to look. */
  readonly at: number;
  readonly sources: readonly KeptSource[];
}

/** Where the keeper leaves its reports, and where operators leave their wish for one. */
export interface KeeperReports {
  /** By the task's name. */
  read(tenant: string): Promise<ReadonlyMap<string, StoredReport>>;
  write(tenant: string, task: string, report: StoredReport): Promise<void>;
  /** Asks the keeper to look at once. */
  requestSync(tenant: string, at: number): Promise<void>;
  /** Epoch ms of the latest wish; 0 when there never was one. */
  syncRequestedAt(tenant: string): Promise<number>;
}

const REPORTS = 'keeper-reports';
const WISHES = 'keeper-wishes';

const reportSchema = z.object({
  v: z.literal(1),
  channel: z.string(),
  at: z.number(),
  sources: z.array(keptSourceSchema),
});
const wishSchema = z.object({ v: z.literal(1), at: z.number() });

export function createKeeperReports(records: Records): KeeperReports {
  /** The latest word wins; whoever was first in between said less. */
  async function put(tenant: string, collection: string, name: string, value: object): Promise<void> {
    for (;;) {
      const revision = (await records.get(tenant, collection, name))?.revision ?? 0;
      const json = JSON.parse(JSON.stringify({ v: 1, ...value }));
      if (await records.compareAndSet(tenant, collection, name, revision, json)) return;
    }
  }
  return {
    async read(tenant) {
      const reports = new Map<string, StoredReport>();
      for (const [name, { value }] of await records.list(tenant, REPORTS)) {
        const parsed = reportSchema.safeParse(value).data;
        if (parsed !== undefined) reports.set(name, parsed);
      }
      return reports;
    },
    write: (tenant, task, report) => put(tenant, REPORTS, task, report),
    requestSync: (tenant, at) => put(tenant, WISHES, 'sync', { at }),
    async syncRequestedAt(tenant) {
      return wishSchema.safeParse((await records.get(tenant, WISHES, 'sync'))?.value).data?.at ?? 0;
    },
  };
}
