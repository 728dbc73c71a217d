/** What a metric is; docs/metrics.md is generated from the table below. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Every label's values are bounded. None is a tenant, a person or an id. */
  readonly labels: readonly string[];
  /**
   * How the series of several processes are put together. `sum`: each process counts what it did. `max`: each process reads
   * the same figure from the store, so that adding them up would count it once per process. `min`: the process that did it
   * last has the lowest. `each`: it describes the process.
   */
  readonly across: 'sum' | 'max' | 'min' | 'each';
}

/** Every metric that a process on Node exports, besides those of prom-client about the process itself. */
export const metricTable = {
  sallyport_info: {
    type: 'gauge',
    help: '1; the role and the release of the process',
    labels: ['role', 'version'],
    across: 'each',
  },
  sallyport_deliveries_total: {
    type: 'counter',
    help: 'Events and refused items by what became of them',
    labels: ['channel', 'outcome', 'reason'],
    across: 'sum',
  },
  sallyport_ack_seconds: {
    type: 'histogram',
    help: 'From the arrival of a delivery to the answer',
    labels: ['channel'],
    across: 'sum',
  },
  sallyport_sender_retries_total: {
    type: 'counter',
    help: 'Deliveries that their sender marked as sent again, by the reason it gave',
    labels: ['channel', 'reason'],
    across: 'sum',
  },
  sallyport_last_event_seconds: {
    type: 'gauge',
    help: 'Seconds since the last authentic delivery of a channel reached this process',
    labels: ['channel'],
    across: 'min',
  },
  sallyport_relay_batches_total: {
    type: 'counter',
    help: 'Batches that came from the edge, by what became of them',
    labels: ['outcome'],
    across: 'sum',
  },
  sallyport_scrub_findings_total: {
    type: 'counter',
    help: 'Secrets removed, by rule',
    labels: ['rule'],
    across: 'sum',
  },
  sallyport_refusals_total: {
    type: 'counter',
    help: 'Callers that were refused, by what they called and why',
    labels: ['surface', 'reason'],
    across: 'sum',
  },
  sallyport_queue_events: {
    type: 'gauge',
    help: 'Events by state',
    labels: ['state'],
    across: 'max',
  },
  sallyport_queue_oldest_seconds: {
    type: 'gauge',
    help: 'Age of the oldest event that waits for its first attempt',
    labels: [],
    across: 'max',
  },
  sallyport_queue_parked: {
    type: 'gauge',
    help: 'Parked events by the reason; uncounted: those beyond the 10,000 that are read. At most 15 s old',
    labels: ['reason'],
    across: 'max',
  },
  sallyport_queue_due: {
    type: 'gauge',
    help: 'Conversations whose time has come and that no worker has been given',
    labels: [],
    across: 'max',
  },
  sallyport_queue_due_oldest_seconds: {
    type: 'gauge',
    help: 'Seconds since the first of them came due; 0 when none is',
    labels: [],
    across: 'max',
  },
  sallyport_workers: {
    type: 'gauge',
    help: 'Workers heard of within 15 s: working, or stalled (something waits and they take nothing)',
    labels: ['state'],
    across: 'max',
  },
  sallyport_runs_total: {
    type: 'counter',
    help: 'Attempts by agent and outcome',
    labels: ['agent', 'outcome'],
    across: 'sum',
  },
  sallyport_run_seconds: {
    type: 'histogram',
    help: 'Duration of an attempt',
    labels: ['agent'],
    across: 'sum',
  },
  sallyport_replies_total: {
    type: 'counter',
    help: 'Replies by what became of them',
    labels: ['channel', 'outcome'],
    across: 'sum',
  },
  sallyport_tool_calls_total: {
    type: 'counter',
    help: 'Calls of tools a model asked for, by what became of them',
    labels: ['tool', 'outcome'],
    across: 'sum',
  },
  sallyport_guardrail_actions_total: {
    type: 'counter',
    help: 'What guardrails changed or blocked',
    labels: ['guardrail', 'stage', 'verdict'],
    across: 'sum',
  },
  sallyport_budget_spent_micros: {
    type: 'counter',
    help: 'Micro-dollars spent by this process, once for each scope whose money is counted',
    labels: ['scope'],
    across: 'sum',
  },
  sallyport_budget_refused_total: {
    type: 'counter',
    help: 'Runs stopped by a limit, by its scope',
    labels: ['scope'],
    across: 'sum',
  },
  sallyport_budget_reserved_micros: {
    type: 'gauge',
    help: 'Micro-dollars that are reserved now, over all tenants, in the scopes global, tenant and channel',
    labels: ['scope'],
    across: 'max',
  },
  sallyport_budget_used_ratio: {
    type: 'gauge',
    help: 'Share of a limit of money that is spent or reserved, of the account where both together are greatest',
    labels: ['scope', 'window', 'part'],
    across: 'max',
  },
  sallyport_subscription_expires_seconds: {
    type: 'gauge',
    help: 'Until the first subscription or watch of a channel ends; negative when it has ended',
    labels: ['channel'],
    across: 'min',
  },
  sallyport_source_alarms: {
    type: 'gauge',
    help: 'Subscriptions and watches with something wrong: lapsed, expiring, failing or silent',
    labels: ['channel', 'alarm'],
    across: 'max',
  },
  sallyport_redis_memory_ratio: {
    type: 'gauge',
    help: 'Used share of the maxmemory of Redis; 0 where there is no limit',
    labels: [],
    across: 'max',
  },
  sallyport_store_errors_total: {
    type: 'counter',
    help: 'Requests that the store did not serve, by the kind of failure',
    labels: ['reason'],
    across: 'sum',
  },
  sallyport_audit_entries_total: {
    type: 'counter',
    help: 'Entries of the audit that this process wrote, or could not write (failed)',
    labels: ['outcome'],
    across: 'sum',
  },
  sallyport_audit_pending: {
    type: 'gauge',
    help: 'Events that Redis parked by itself and that no worker has put into the audit yet',
    labels: [],
    across: 'max',
  },
  sallyport_audit_checkpoints_total: {
    type: 'counter',
    help: "Checkpoints of tenants' chains: written, unchanged, failed, or replaced (a chain does not continue the last one)",
    labels: ['outcome'],
    across: 'sum',
  },
  sallyport_audit_checkpoint_age_seconds: {
    type: 'gauge',
    help: 'Seconds since this process last checked all chains for a checkpoint without failure; absent where it has not led',
    labels: [],
    across: 'min',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricTable;

type LabelOf<N extends MetricName> = (typeof metricTable)[N]['labels'][number];
export type Labels<N extends MetricName> = { readonly [L in LabelOf<N>]: string };
