/** A query with the legend of its series. */
type Query = readonly [expr: string, legend: string];

export interface Panel {
  readonly kind?: 'stat';
  readonly title: string;
  /** What it shows and when it is wrong. */
  readonly about: string;
  /** A unit of Grafana. */
  readonly unit: string;
  readonly queries: readonly Query[];
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly rows: readonly Row[];
}

/** Grafana puts a window of at least four scrapes in its place. */
const RATE = '[$__rate_interval]';

const overview: Row = {
  title: 'Overview',
  panels: [
    {
      kind: 'stat',
      title: 'Processes',
      about: 'Processes that are scraped, by role and release.',
      unit: 'short',
      queries: [['count by (role, version) (sallyport_info)', '{{role}} {{version}}']],
    },
    {
      kind: 'stat',
      title: 'Workers',
      about: 'Workers heard of within 15 s. Stalled ones take nothing although something waits.',
      unit: 'short',
      queries: [['max by (state) (sallyport_workers)', '{{state}}']],
    },
    {
      kind: 'stat',
      title: 'Oldest waiting event',
      about: 'Until its first attempt.',
      unit: 's',
      queries: [['max(sallyport_queue_oldest_seconds)', 'oldest']],
    },
    {
      kind: 'stat',
      title: 'Parked events',
      about: 'They wait for an operator.',
      unit: 'short',
      queries: [['max(sallyport_queue_events{state="parked"})', 'parked']],
    },
  ],
};

const deliveries: Row = {
  title: 'Deliveries',
  panels: [
    {
      title: 'Outcomes',
      about: 'Events and refused items a second, by what became of them.',
      unit: 'ops',
      queries: [[`sum by (channel, outcome) (rate(sallyport_deliveries_total${RATE}))`, '{{channel}} {{outcome}}']],
    },
    {
      title: 'Share taken in',
      about: 'Of what is not ignored: accepted or known already. What is missing was refused or could not be stored.',
      unit: 'percentunit',
      queries: [
        [
          `sum by (channel) (rate(sallyport_deliveries_total{outcome=~"accepted|duplicate|conflict"}${RATE})) / sum by (channel) (rate(sallyport_deliveries_total{outcome!~"ignored|handshake"}${RATE}))`,
          '{{channel}}',
        ],
      ],
    },
    {
      title: 'Refused, by reason',
      about: 'Without proof, not to be trusted, or not to be stored now.',
      unit: 'ops',
      queries: [
        [
          `sum by (channel, outcome, reason) (rate(sallyport_deliveries_total{outcome=~"rejected|quarantined|unavailable"}${RATE}))`,
          '{{channel}} {{reason}}',
        ],
      ],
    },
    {
      title: 'Acknowledgement, slowest 1 %',
      about:
        'Deadlines: Slack and Graph 3 s (Graph 10 s at a retry), Pub/Sub 10 s, Teams 15 s. The highest bucket ends at 15 s.',
      unit: 's',
      queries: [
        [
          `histogram_quantile(0.99, sum by (channel, le) (rate(sallyport_ack_seconds_bucket${RATE})))`,
          '{{channel}} 99 %',
        ],
        [
          `histogram_quantile(0.5, sum by (channel, le) (rate(sallyport_ack_seconds_bucket${RATE})))`,
          '{{channel}} median',
        ],
      ],
    },
    {
      title: 'Acknowledged in time',
      about: "Share of answers within the sender's deadline. Each one missing is a retry.",
      unit: 'percentunit',
      queries: [['sallyport:ack_in_time:ratio_rate15m', '{{channel}}']],
    },
    {
      title: "Slack's failures of an hour",
      about: 'At 95 % Slack switches the app off for every workspace.',
      unit: 'percentunit',
      queries: [['sallyport:slack_failed:ratio_rate1h', 'failed']],
    },
    {
      title: 'Retries of senders',
      about: 'What the sender marked as sent again. Graph and Teams mark nothing: see duplicates.',
      unit: 'short',
      queries: [
        ['sum by (channel, reason) (increase(sallyport_sender_retries_total[5m]))', '{{channel}} {{reason}}'],
        ['sum by (channel) (increase(sallyport_deliveries_total{outcome="duplicate"}[5m]))', '{{channel}} duplicates'],
      ],
    },
    {
      title: 'Conflicts',
      about: 'The same identity with another content. Not run.',
      unit: 'short',
      queries: [['sum by (channel) (increase(sallyport_deliveries_total{outcome="conflict"}[15m]))', '{{channel}}']],
    },
    {
      title: 'Since the last authentic delivery',
      about: 'Of the ingress that had it last.',
      unit: 's',
      queries: [['min by (channel) (sallyport_last_event_seconds)', '{{channel}}']],
    },
  ],
};

const work: Row = {
  title: 'Work',
  panels: [
    {
      title: 'Events by state',
      about: 'In the whole store.',
      unit: 'short',
      queries: [['max by (state) (sallyport_queue_events{state!~"done|ignored"})', '{{state}}']],
    },
    {
      title: 'Waiting',
      about:
        'The oldest event before its first attempt, and the longest that a conversation has been due and given to no worker.',
      unit: 's',
      queries: [
        ['max(sallyport_queue_oldest_seconds)', 'oldest event'],
        ['max(sallyport_queue_due_oldest_seconds)', 'due for'],
      ],
    },
    {
      title: 'Due conversations',
      about: 'Given to no worker yet.',
      unit: 'short',
      queries: [['max(sallyport_queue_due)', 'due']],
    },
    {
      title: 'Parked, by reason',
      about: 'Uncounted: beyond the 10,000 that are read.',
      unit: 'short',
      queries: [['max by (reason) (sallyport_queue_parked)', '{{reason}}']],
    },
    {
      title: 'Attempts',
      about: 'A second, by agent and outcome.',
      unit: 'ops',
      queries: [[`sum by (agent, outcome) (rate(sallyport_runs_total${RATE}))`, '{{agent}} {{outcome}}']],
    },
    {
      title: 'Duration of an attempt',
      about: '95 % are shorter.',
      unit: 's',
      queries: [
        [`histogram_quantile(0.95, sum by (agent, le) (rate(sallyport_run_seconds_bucket${RATE})))`, '{{agent}}'],
      ],
    },
    {
      title: 'Replies',
      about: 'Held: waits for a review. Ambiguous: it is unknown whether it was posted.',
      unit: 'ops',
      queries: [[`sum by (channel, outcome) (rate(sallyport_replies_total${RATE}))`, '{{channel}} {{outcome}}']],
    },
    {
      title: 'Tools and guardrails',
      about: 'Calls of tools by what became of them, and what guardrails changed or blocked.',
      unit: 'ops',
      queries: [
        [`sum by (tool, outcome) (rate(sallyport_tool_calls_total${RATE}))`, '{{tool}} {{outcome}}'],
        [
          `sum by (guardrail, stage, verdict) (rate(sallyport_guardrail_actions_total${RATE}))`,
          '{{guardrail}} {{stage}} {{verdict}}',
        ],
      ],
    },
  ],
};

const money: Row = {
  title: 'Money',
  panels: [
    {
      title: 'Spent an hour',
      about: 'In dollars. A call counts once in each scope whose money is counted.',
      unit: 'currencyUSD',
      queries: [['sum by (scope) (increase(sallyport_budget_spent_micros[1h])) / 1e6', '{{scope}}']],
    },
    {
      title: 'Reserved now',
      about: 'In dollars, over all tenants. What a call does not use comes back.',
      unit: 'currencyUSD',
      queries: [['max by (scope) (sallyport_budget_reserved_micros) / 1e6', '{{scope}}']],
    },
    {
      title: 'Of the limits',
      about: 'Share of the account that has used the most, spent and reserved. At 1 runs are refused.',
      unit: 'percentunit',
      queries: [['max by (scope, window, part) (sallyport_budget_used_ratio)', '{{scope}} {{window}} {{part}}']],
    },
    {
      title: 'Runs stopped by a limit',
      about: 'By the scope of the limit.',
      unit: 'short',
      queries: [['sum by (scope) (increase(sallyport_budget_refused_total[15m]))', '{{scope}}']],
    },
  ],
};

const store: Row = {
  title: 'Store, subscriptions and audit',
  panels: [
    {
      title: 'Requests the store did not serve',
      about: 'By the kind of failure; oom, misconf, full and readonly are refused writes.',
      unit: 'short',
      queries: [['sum by (reason) (increase(sallyport_store_errors_total[5m]))', '{{reason}}']],
    },
    {
      title: 'Memory of Redis',
      about: 'Share of maxmemory; 0 without a limit. From 0.9 on nothing new is accepted.',
      unit: 'percentunit',
      queries: [['max(sallyport_redis_memory_ratio)', 'used']],
    },
    {
      title: 'Subscriptions end in',
      about: 'The first subscription or watch of each channel.',
      unit: 's',
      queries: [['min by (channel) (sallyport_subscription_expires_seconds)', '{{channel}}']],
    },
    {
      title: 'Sources with something wrong',
      about: 'Lapsed, expiring, failing or silent.',
      unit: 'short',
      queries: [['max by (channel, alarm) (sallyport_source_alarms)', '{{channel}} {{alarm}}']],
    },
    {
      title: 'Entries of the audit',
      about: 'A second. Failed: what they are about was not done.',
      unit: 'ops',
      queries: [
        [`sum by (outcome) (rate(sallyport_audit_entries_total${RATE}))`, '{{outcome}}'],
        ['max(sallyport_audit_pending)', 'pending'],
      ],
    },
    {
      title: 'Checkpoints of the audit',
      about: 'Age of the last round, and what rounds came to.',
      unit: 's',
      queries: [
        ['min(sallyport_audit_checkpoint_age_seconds)', 'age'],
        ['sum by (outcome) (increase(sallyport_audit_checkpoints_total[1h]))', '{{outcome}} an hour'],
      ],
    },
    {
      title: 'Refused callers',
      about: 'Of the API and of the metrics.',
      unit: 'ops',
      queries: [[`sum by (surface, reason) (rate(sallyport_refusals_total${RATE}))`, '{{surface}} {{reason}}']],
    },
    {
      title: 'Secrets removed',
      about: 'By rule of the scrubber.',
      unit: 'ops',
      queries: [[`sum by (rule) (rate(sallyport_scrub_findings_total${RATE}))`, '{{rule}}']],
    },
  ],
};

const processes: Row = {
  title: 'Processes',
  panels: [
    {
      title: 'Processor',
      about: 'Seconds a second.',
      unit: 'short',
      queries: [
        [
          `rate(process_cpu_seconds_total${RATE}) * on (job, instance) group_left (role) sallyport_info`,
          '{{role}} {{instance}}',
        ],
      ],
    },
    {
      title: 'Memory',
      about: 'Resident.',
      unit: 'bytes',
      queries: [
        [
          'process_resident_memory_bytes * on (job, instance) group_left (role) sallyport_info',
          '{{role}} {{instance}}',
        ],
      ],
    },
    {
      title: 'Lag of the event loop',
      about: 'The slowest 1 %. Acknowledgements are late by as much.',
      unit: 's',
      queries: [
        [
          'nodejs_eventloop_lag_p99_seconds * on (job, instance) group_left (role) sallyport_info',
          '{{role}} {{instance}}',
        ],
      ],
    },
  ],
};

const edge: readonly Row[] = [
  {
    title: 'The edge',
    panels: [
      {
        title: 'Outbox',
        about: 'Events that wait for the origin, and those that it refused.',
        unit: 'short',
        queries: [
          ['sum(sallyport_outbox_events)', 'waiting'],
          ['sum(sallyport_outbox_parked)', 'parked'],
        ],
      },
      {
        title: 'Oldest in the outbox',
        about: 'Age of the oldest event that waits.',
        unit: 's',
        queries: [['max(sallyport_outbox_oldest_seconds)', 'oldest']],
      },
      {
        title: 'Shards that forward nothing',
        about: 'By the reason.',
        unit: 'short',
        queries: [['sum by (reason) (sallyport_outbox_blocked)', '{{reason}}']],
      },
      {
        title: 'Judged at the edge',
        about: 'Deliveries a second. Full: answered 503.',
        unit: 'ops',
        queries: [[`sum by (outcome) (rate(sallyport_edge_accepted_total${RATE}))`, '{{outcome}}']],
      },
      {
        title: 'Silent shards',
        about: 'They did not answer the scrape.',
        unit: 'short',
        queries: [['sum(sallyport_edge_shards_silent)', 'silent']],
      },
      {
        title: 'Size of the databases',
        about: 'Of all shards.',
        unit: 'bytes',
        queries: [['sum(sallyport_outbox_bytes)', 'size']],
      },
      {
        title: 'Batches at the origin',
        about: 'By what became of them, as the origin counts them.',
        unit: 'ops',
        queries: [[`sum by (outcome) (rate(sallyport_relay_batches_total${RATE}))`, '{{outcome}}']],
      },
    ],
  },
];

export const dashboards: readonly Dashboard[] = [
  {
    ...{ file: 'sallyport.json', uid: 'sallyport', title: 'Sallyport' },
    rows: [overview, deliveries, work, money, store, processes],
  },
  { file: 'sallyport-edge.json', uid: 'sallyport-edge', title: 'Sallyport at the edge', rows: edge },
];
