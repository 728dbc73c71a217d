import { Gauge, type Registry } from 'prom-client';
import type { BudgetWindow, ScopeKind } from '../core/budget.ts';
import { reasonOf } from '../core/errors.ts';
import { type ChannelName, eventStates } from '../core/event.ts';
import { type SourceAlarm, sourceAlarms } from '../core/kept-source.ts';
import type { ParkedEvents, QueueStats } from '../queue/jobs.ts';
import { type Labels, type MetricName, metricTable } from './metric-table.ts';

/** What the metrics show of a channel's sources, over all tenants. */
export interface SourceFigures {
  /** Until the first of them ends; absent where none has an end. */
  readonly expiresInMs: number | undefined;
  readonly alarms: ReadonlyMap<SourceAlarm, number>;
}

/** Workers that were heard of lately. */
export interface WorkerFigures {
  readonly working: number;
  readonly stalled: number;
}

/** What stands against the limits of money, over all tenants. */
export interface BudgetFigures {
  /** Micro-dollars, by scope. */
  readonly reserved: ReadonlyMap<ScopeKind, number>;
  /** Of the account that has used the greatest share of its limit. */
  readonly shares: readonly {
    readonly scope: ScopeKind;
    readonly window: BudgetWindow;
    /** Shares of the limit, from 0 up. */
    readonly spent: number;
    readonly reserved: number;
  }[];
}

/** What is asked of the store when the metrics are scraped. Each may reject; its gauges are absent then. */
export interface StoreFigures {
  readonly stats: () => Promise<QueueStats>;
  readonly parked: () => Promise<ParkedEvents>;
  readonly workers: () => Promise<WorkerFigures>;
  readonly budgets: () => Promise<BudgetFigures>;
  readonly sources: () => Promise<ReadonlyMap<ChannelName, SourceFigures>>;
}

/** How long figures are shown that take many reads, in ms: the usual time between two scrapes. */
const KEPT_MS = 15_000;

/**
 * Registers the gauges of what the store holds. Every process shows the same figures (`across: 'max'` or `min`). A store that
 * is away leaves them absent: stale figures would soothe.
 */
export function registerStoreGauges(registers: Registry[], figures: Partial<StoreFigures>): void {
  /** `read` makes samples of what `ask` resolves with; none leave the gauge absent. */
  const gauge = <N extends MetricName, T>(
    name: N,
    ask: () => Promise<T | null>,
    read: (now: T) => Iterable<readonly [labels: Labels<N>, value: number]>,
  ): void => {
    const { help, labels } = metricTable[name];
    new Gauge<string>({
      name,
      help,
      labelNames: labels,
      registers,
      async collect() {
        const now = await ask();
        // `reset` would set a gauge without labels to 0.
        if (labels.length === 0) this.remove();
        else this.reset();
        if (now !== null) for (const [of, value] of read(now)) this.set(of, value);
      },
    });
  };
  const stats = shared(figures.stats);
  if (stats !== null) {
    gauge('sallyport_queue_oldest_seconds', stats, ({ oldestMs }) => [[{}, oldestMs / 1000]]);
    gauge('sallyport_redis_memory_ratio', stats, ({ memoryRatio = 0 }) => [[{}, memoryRatio]]);
    gauge('sallyport_queue_events', stats, ({ states }) =>
      eventStates.map((state) => [{ state }, states[state] ?? 0] as const),
    );
    gauge('sallyport_queue_due', stats, ({ due }) => [[{}, due]]);
    gauge('sallyport_queue_due_oldest_seconds', stats, ({ dueMs }) => [[{}, dueMs / 1000]]);
    gauge('sallyport_audit_pending', stats, ({ auditPending }) => [[{}, auditPending]]);
  }
  const parked = shared(figures.parked, KEPT_MS);
  if (parked !== null) {
    gauge('sallyport_queue_parked', parked, ({ byCode, uncounted }) => [
      ...[...byCode].map(([code, count]) => [{ reason: reasonOf(code) }, count] as const),
      [{ reason: 'uncounted' }, uncounted],
    ]);
  }
  const workers = shared(figures.workers);
  if (workers !== null) {
    gauge('sallyport_workers', workers, ({ working, stalled }) => [
      [{ state: 'working' }, working],
      [{ state: 'stalled' }, stalled],
    ]);
  }
  const budgets = shared(figures.budgets, KEPT_MS);
  if (budgets !== null) {
    gauge('sallyport_budget_reserved_micros', budgets, ({ reserved }) =>
      [...reserved].map(([scope, micros]) => [{ scope }, micros] as const),
    );
    gauge('sallyport_budget_used_ratio', budgets, ({ shares }) =>
      shares.flatMap(({ scope, window, spent, reserved }) => [
        [{ scope, window, part: 'spent' }, spent] as const,
        [{ scope, window, part: 'reserved' }, reserved] as const,
      ]),
    );
  }
  const sources = shared(figures.sources);
  if (sources !== null) {
    gauge('sallyport_subscription_expires_seconds', sources, (byChannel) =>
      [...byChannel].flatMap(([channel, { expiresInMs }]) =>
        expiresInMs === undefined ? [] : [[{ channel }, expiresInMs / 1000] as const],
      ),
    );
    gauge('sallyport_source_alarms', sources, (byChannel) =>
      [...byChannel].flatMap(([channel, { alarms }]) =>
        sourceAlarms.map((alarm) => [{ channel, alarm }, alarms.get(alarm) ?? 0] as const),
      ),
    );
  }
}

/**
 * Asks once for all gauges of a scrape, and for scrapes that overlap; an answer is given again for `keptMs`. Resolves with
 * null when asking failed.
 */
function shared<T>(ask: (() => Promise<T>) | undefined, keptMs = 0): (() => Promise<T | null>) | null {
  if (ask === undefined) return null;
  let answer: Promise<T | null> | undefined;
  return () => {
    if (answer !== undefined) return answer;
    const asked = ask().then(
      (now) => {
        if (keptMs === 0) answer = undefined;
        else setTimeout(() => (answer = undefined), keptMs).unref();
        return now;
      },
      () => {
        answer = undefined;
        return null;
      },
    );
    answer = asked;
    return asked;
  };
}
