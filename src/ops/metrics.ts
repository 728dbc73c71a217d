import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import type { ChannelName } from '../core/event.ts';
import type { Meter } from '../core/meter.ts';
import { type MetricName, metricTable } from './metric-table.ts';
import { registerStoreGauges, type StoreFigures } from './store-gauges.ts';

/** Seconds. The senders' deadlines are 3 s (Slack, Graph), 5 s and 15 s (Teams), 10 s (Pub/Sub). */
const ACK_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15];
/** Seconds. A run may take minutes. */
const RUN_BUCKETS = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 120, 300];

export interface Metrics {
  readonly meter: Meter;
  /** Prometheus text exposition format 0.0.4. */
  render(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics({
  figures,
  about,
  clock,
}: {
  /** What there is to ask of the store; nothing in a process that has none. */
  readonly figures: Partial<StoreFigures>;
  /** What the process is; absent where nothing shows it. */
  readonly about?: { readonly role: string; readonly version: string };
  readonly clock: Clock;
}): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry });
  const described = <N extends MetricName>(name: N) => {
    const { help, labels } = metricTable[name];
    return { name, help, labelNames: labels as readonly (typeof metricTable)[N]['labels'][number][], registers };
  };
  const counter = <N extends MetricName>(name: N) => new Counter(described(name));
  const histogram = <N extends MetricName>(name: N, buckets: number[]) =>
    new Histogram({ ...described(name), buckets });
  const deliveries = counter('sallyport_deliveries_total');
  const acks = histogram('sallyport_ack_seconds', ACK_BUCKETS);
  const retries = counter('sallyport_sender_retries_total');
  const runs = counter('sallyport_runs_total');
  const runSeconds = histogram('sallyport_run_seconds', RUN_BUCKETS);
  const replies = counter('sallyport_replies_total');
  const findings = counter('sallyport_scrub_findings_total');
  const deliveryCount = remembered((...labels: [string, string, string]) => deliveries.labels(...labels));
  const ackTime = remembered((channel: string) => acks.labels(channel));
  const spent = counter('sallyport_budget_spent_micros');
  const budgetRefusals = counter('sallyport_budget_refused_total');
  const toolCalls = counter('sallyport_tool_calls_total');
  const guardrails = counter('sallyport_guardrail_actions_total');
  const refusals = counter('sallyport_refusals_total');
  const relayed = counter('sallyport_relay_batches_total');
  const storeErrors = counter('sallyport_store_errors_total');
  const auditEntries = counter('sallyport_audit_entries_total');
  const checkpoints = counter('sallyport_audit_checkpoints_total');
  const lastEventAt = new Map<ChannelName, number>();
  new Gauge({
    ...described('sallyport_last_event_seconds'),
    collect() {
      for (const [channel, at] of lastEventAt) this.set({ channel }, (clock() - at) / 1000);
    },
  });
  let checkpointedAt: number | undefined;
  new Gauge({
    ...described('sallyport_audit_checkpoint_age_seconds'),
    collect() {
      // A process that has not led yet knows nothing, and must not look like one that has just signed.
      if (checkpointedAt === undefined) this.remove();
      else this.set((clock() - checkpointedAt) / 1000);
    },
  });
  const info = new Gauge(described('sallyport_info'));
  if (about !== undefined) info.set(about, 1);
  registerStoreGauges(registers, figures);
  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    meter: {
      delivery(channel, outcome, reason) {
        deliveryCount(channel, outcome, reason).inc();
        if (outcome !== 'rejected' && outcome !== 'unavailable') lastEventAt.set(channel, clock());
      },
      acked: (channel, seconds) => ackTime(channel).observe(seconds),
      senderRetried: (channel, reason) => retries.inc({ channel, reason }),
      ran(agent, outcome, seconds) {
        runs.inc({ agent, outcome });
        runSeconds.observe({ agent }, seconds);
      },
      replied: (channel, outcome) => replies.inc({ channel, outcome }),
      scrubbed: (rule, count) => findings.inc({ rule }, count),
      budgetSpent: (scope, micros) => spent.inc({ scope }, micros),
      budgetRefused: (scope) => budgetRefusals.inc({ scope }),
      toolCalled: (tool, outcome) => toolCalls.inc({ tool, outcome }),
      refused: (surface, reason) => refusals.inc({ surface, reason }),
      relayed: (outcome) => relayed.inc({ outcome }),
      guardrailActed: (guardrail, stage, verdict) => guardrails.inc({ guardrail, stage, verdict }),
      storeFailed: (reason) => storeErrors.inc({ reason }),
      audited: (outcome, entries) => auditEntries.inc({ outcome }, entries),
      checkpointed: (outcome) => checkpoints.inc({ outcome }),
      checkpointsDone() {
        checkpointedAt = clock();
      },
    },
  };
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
