import type { Clock } from '../core/clock.ts';
import { SallyportError } from '../core/errors.ts';
import type { ChannelName } from '../core/event.ts';
import { alarmsOf, isLapsed } from '../core/kept-source.ts';
import { createKeeperReports, type StoredReport } from '../queue/records/keeper-reports.ts';
import type { Records } from '../queue/records.ts';
import type { SourceFigures } from './store-gauges.ts';

/**
 * A readiness probe: every source that is kept still sends, as far as the keeper knew when it last looked.
 * @throws SallyportError ERR_SUBSCRIPTION_LAPSED
 */
export async function probeSubscriptions({
  records,
  tenants,
  clock,
}: {
  readonly records: Records;
  /** Whose sources are looked at. */
  readonly tenants: readonly string[];
  readonly clock: Clock;
}): Promise<void> {
  const now = clock();
  for (const { sources } of await reportsOf(records, tenants)) {
    if (sources.some((source) => isLapsed(source, now))) {
      throw new SallyportError('ERR_SUBSCRIPTION_LAPSED', 'a source sends nothing any more');
    }
  }
}

/** For the metrics, by channel. */
export async function sourceFigures({
  records,
  tenants,
  clock,
  silentAfterMs,
}: {
  readonly records: Records;
  readonly tenants: readonly string[];
  readonly clock: Clock;
  /** How long a source may say nothing. */
  readonly silentAfterMs: number;
}): Promise<ReadonlyMap<ChannelName, SourceFigures>> {
  const now = clock();
  const figures = new Map<ChannelName, SourceFigures>();
  for (const { channel, sources } of await reportsOf(records, tenants)) {
    const known = figures.get(channel);
    const ends = sources.flatMap(({ expiresAt }) => (expiresAt === null ? [] : [expiresAt - now]));
    if (known?.expiresInMs !== undefined) ends.push(known.expiresInMs);
    const alarms = new Map(known?.alarms);
    for (const alarm of sources.flatMap((source) => alarmsOf(source, now, silentAfterMs))) {
      alarms.set(alarm, (alarms.get(alarm) ?? 0) + 1);
    }
    figures.set(channel, { expiresInMs: ends.length === 0 ? undefined : Math.min(...ends), alarms });
  }
  return figures;
}

async function reportsOf(records: Records, tenants: readonly string[]): Promise<StoredReport[]> {
  const reports = createKeeperReports(records);
  const all = await Promise.all(tenants.map((tenant) => reports.read(tenant)));
  return all.flatMap((byTask) => [...byTask.values()]);
}
