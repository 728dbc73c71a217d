import { Gauge, type Registry } from 'prom-client';
import type { ChannelName } from '../core/event.ts';
import { type SourceAlarm, sourceAlarms } from '../core/kept-source.ts';

/** What the metrics show of a channel's sources, over all tenants. */
export interface SourceFigures {
  /** Until the first of them ends; absent where none has an end. */
  readonly expiresInMs: number | undefined;
  readonly alarms: ReadonlyMap<SourceAlarm, number>;
}

/** Asked of the store at each scrape, so every process shows the same. A store that is away leaves the gauges absent. */
export function registerSourceGauges(
  registers: Registry[],
  figures: () => Promise<ReadonlyMap<ChannelName, SourceFigures>>,
): void {
  new Gauge({
    name: 'sallyport_subscription_expires_seconds',
    help: 'Until the first subscription or watch of a channel ends; negative when it has ended',
    labelNames: ['channel'],
    registers,
    async collect() {
      this.reset();
      for (const [channel, { expiresInMs }] of await figures().catch(() => [])) {
        if (expiresInMs !== undefined) this.set({ channel }, expiresInMs / 1000);
      }
    },
  });
  new Gauge({
    name: 'sallyport_source_alarms',
    help: 'Subscriptions and watches with something wrong: lapsed, expiring, failing or silent',
    labelNames: ['channel', 'alarm'],
    registers,
    async collect() {
      this.reset();
      for (const [channel, { alarms }] of await figures().catch(() => [])) {
        for (const alarm of sourceAlarms) this.set({ channel, alarm }, alarms.get(alarm) ?? 0);
      }
    },
  });
}
