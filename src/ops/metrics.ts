import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import { type ChannelName, eventStates } from '../core/event.ts';
import type { Meter } from '../core/meter.ts';
import type { QueueStats } from '../queue/jobs.ts';
import { registerSourceGauges, type SourceFigures } from './source-gauges.ts';

/** Seconds. The senders' deadlines are 3 s (Slack, Graph), 5 s and 15 s (Teams), 10 s (Pub/Sub). */
const ACK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10];
/** Seconds. A run may take minutes. */
const RUN_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];

export interface Metrics {
  readonly meter: Meter;
  /** Prometheus text exposition format 0.0.4. */
  render(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics({
  stats,
  sources,
  clock,
}: {
  /** Null in a process that has no store to ask. */
  readonly stats: (() => Promise<QueueStats>) | null;
  /** What is known of the sources that are kept; null where none are. */
  readonly sources: (() => Promise<ReadonlyMap<ChannelName, SourceFigures>>) | null;
  readonly clock: Clock;
}): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry });
  const deliveries = new Counter({
    name: 'sallyport_deliveries_total',
    help: 'Events and refused items by what became of them',
    labelNames: ['channel', 'outcome', 'reason'],
    registers,
  });
  const acks = new Histogram({
    name: 'sallyport_ack_seconds',
    help: 'From the arrival of a delivery to the answer',
    labelNames: ['channel'],
    buckets: ACK_BUCKETS,
    registers,
  });
  const runs = new Counter({
    name: 'sallyport_runs_total',
    help: 'Attempts by agent and outcome',
    labelNames: ['agent', 'outcome'],
    registers,
  });
  const runSeconds = new Histogram({
    name: 'sallyport_run_seconds',
    help: 'Duration of an attempt',
    labelNames: ['agent'],
    buckets: RUN_BUCKETS,
    registers,
  });
  const replies = new Counter({
    name: 'sallyport_replies_total',
    help: 'Replies by what became of them',
    labelNames: ['channel', 'outcome'],
    registers,
  });
  const findings = new Counter({
    name: 'sallyport_scrub_findings_total',
    help: 'Secrets removed, by rule',
    labelNames: ['rule'],
    registers,
  });
  const deliveryCount = remembered((...labels: [string, string, string]) => deliveries.labels(...labels));
  const ackTime = remembered((channel: string) => acks.labels(channel));
  const spent = new Counter({
    name: 'sallyport_budget_spent_micros',
    help: 'Micro-dollars spent by this process, once for each scope whose money is counted',
    labelNames: ['scope'],
    registers,
  });
  const refused = new Counter({
    name: 'sallyport_budget_refused_total',
    help: 'Runs stopped by a limit, by its scope',
    labelNames: ['scope'],
    registers,
  });
  const toolCalls = new Counter({
    name: 'sallyport_tool_calls_total',
    help: 'Calls of tools a model asked for, by what became of them',
    labelNames: ['tool', 'outcome'],
    registers,
  });
  const guardrails = new Counter({
    name: 'sallyport_guardrail_actions_total',
    help: 'What guardrails changed or blocked',
    labelNames: ['guardrail', 'stage', 'verdict'],
    registers,
  });
  const refusals = new Counter({
    name: 'sallyport_refusals_total',
    help: 'Callers that were refused, by what they called and why',
    labelNames: ['surface', 'reason'],
    registers,
  });
  const relayed = new Counter({
    name: 'sallyport_relay_batches_total',
    help: 'Batches that came from the edge, by what became of them',
    labelNames: ['outcome'],
    registers,
  });
  const lastEventAt = new Map<ChannelName, number>();
  new Gauge({
    name: 'sallyport_last_event_seconds',
    help: 'Seconds since the last authentic delivery of a channel reached this process',
    labelNames: ['channel'],
    registers,
    collect() {
      for (const [channel, at] of lastEventAt) this.set({ channel }, (clock() - at) / 1000);
    },
  });
  if (stats !== null) registerQueueGauges(registers, stats);
  if (sources !== null) registerSourceGauges(registers, sources);
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    meter: {
      delivery(channel, outcome, reason) {
        deliveryCount(channel, outcome, reason).inc();
        if (outcome !== 'rejected' && outcome !== 'unavailable') lastEventAt.set(channel, clock());
      },
      acked: (channel, seconds) => ackTime(channel).observe(seconds),
      ran(agent, outcome, seconds) {
        runs.inc({ agent, outcome });
        runSeconds.observe({ agent }, seconds);
      },
      replied: (channel, outcome) => replies.inc({ channel, outcome }),
      scrubbed: (rule, count) => findings.inc({ rule }, count),
      budgetSpent: (scope, micros) => spent.inc({ scope }, micros),
      budgetRefused: (scope) => refused.inc({ scope }),
      toolCalled: (tool, outcome) => toolCalls.inc({ tool, outcome }),
      refused: (surface, reason) => refusals.inc({ surface, reason }),
      relayed: (outcome) => relayed.inc({ outcome }),
      guardrailActed: (guardrail, stage, verdict) => guardrails.inc({ guardrail, stage, verdict }),
    },
  };
}

/** Asked of the store once per scrape. A store that is away leaves the gauges absent: stale figures would soothe. */
function registerQueueGauges(registers: Registry[], stats: () => Promise<QueueStats>): void {
  let asked: Promise<QueueStats | null> | undefined;
  const ask = (): Promise<QueueStats | null> => {
    asked ??= stats()
      .catch(() => null)
      .finally(() => {
        asked = undefined;
      });
    return asked;
  };
  const single = (name: string, help: string, read: (now: QueueStats) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        const now = await ask();
        if (now === null) this.remove();
        else this.set(read(now));
      },
    });
  single(
    'sallyport_queue_oldest_seconds',
    'Age of the oldest event that waits for its first attempt',
    ({ oldestMs }) => oldestMs / 1000,
  );
  single(
    'sallyport_redis_memory_ratio',
    'Used share of the maxmemory of Redis; 0 where there is no limit',
    ({ memoryRatio = 0 }) => memoryRatio,
  );
  new Gauge({
    name: 'sallyport_queue_events',
    help: 'Events by state',
    labelNames: ['state'],
    registers,
    async collect() {
      this.reset();
      const now = await ask();
      for (const state of now === null ? [] : eventStates) this.set({ state }, now?.states[state] ?? 0);
    },
  });
}

/** Finds a metric's child by its labels once: the library hashes them anew at every call. Labels are bounded words. */
function remembered<L extends readonly string[], T>(find: (...labels: L) => T): (...labels: L) => T {
  const known = new Map<string, T>();
  return (...labels) => {
    const name = labels.join(' ');
    const child = known.get(name) ?? find(...labels);
    known.set(name, child);
    return child;
  };
}
