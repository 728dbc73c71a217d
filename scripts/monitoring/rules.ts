/** What deploy/prometheus/rules.yml holds; `npm run docs:monitoring` writes it. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  /** How long the expression must hold; absent: not at all. */
  readonly for?: string;
  /** `critical`: pages the operator on call. `warning`: for the same working day. */
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
}

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly (RecordingRule | AlertRule)[];
}

/** More than 0 of a counter within the window. A series that begins with its first event shows no increase, so it counts as well. */
const happened = (selector: string, window: string, by = ''): string =>
  `sum${by} (increase(${selector}[${window}])) > 0\nor\nsum${by} (${selector} unless ${selector} offset ${window}) > 0`;

const deliveries: RuleGroup = {
  name: 'sallyport-deliveries',
  rules: [
    {
      record: 'sallyport:deliveries:rate5m',
      expr: 'sum by (channel, outcome) (rate(sallyport_deliveries_total[5m]))',
    },
    {
      // Slack and Graph wait 3 s for an answer (Graph 10 s at a retry), Pub/Sub 10 s, Teams 15 s.
      record: 'sallyport:ack_in_time:ratio_rate15m',
      expr: [
        'sum by (channel) (',
        '  rate(sallyport_ack_seconds_bucket{channel=~"slack|graph",le="3"}[15m])',
        '  or rate(sallyport_ack_seconds_bucket{channel="gmail",le="10"}[15m])',
        '  or rate(sallyport_ack_seconds_bucket{channel="teams",le="15"}[15m])',
        ')',
        '/ sum by (channel) (rate(sallyport_ack_seconds_count[15m]))',
      ].join('\n'),
    },
    {
      record: 'sallyport:ack_seconds:p99_15m',
      expr: 'histogram_quantile(0.99, sum by (channel, le) (rate(sallyport_ack_seconds_bucket[15m])))',
    },
    {
      // Refused, unavailable or late, of all attempts: Slack's own measure, which counts retries.
      record: 'sallyport:slack_failed:ratio_rate1h',
      expr: [
        '(',
        '  (sum(rate(sallyport_deliveries_total{channel="slack",outcome=~"rejected|unavailable"}[1h])) or vector(0))',
        '  + sum(rate(sallyport_ack_seconds_count{channel="slack"}[1h]))',
        '  - sum(rate(sallyport_ack_seconds_bucket{channel="slack",le="3"}[1h]))',
        ')',
        '/ sum(rate(sallyport_ack_seconds_count{channel="slack"}[1h]))',
      ].join('\n'),
    },
    {
      alert: 'SallyportSlackFailing',
      expr: 'sallyport:slack_failed:ratio_rate1h > 0.5',
      for: '5m',
      severity: 'critical',
      summary:
        "More than half of Slack's deliveries of an hour failed; at 95 % Slack switches the app off for every workspace",
    },
    {
      alert: 'SallyportSlackRateLimited',
      expr: happened('sallyport_deliveries_total{channel="slack",reason="app_rate_limited"}', '10m'),
      severity: 'warning',
      summary: 'Slack delivers no more than 30,000 events an hour of a workspace and drops the rest',
    },
    {
      alert: 'SallyportAcknowledgementsLate',
      expr: 'sallyport:ack_in_time:ratio_rate15m < 0.99',
      for: '5m',
      severity: 'critical',
      summary:
        'Over 1 % of the answers to {{ $labels.channel }} come after the deadline of the sender, which then sends again',
    },
    {
      alert: 'SallyportAcknowledgementsSlow',
      expr: [
        'sallyport:ack_seconds:p99_15m{channel=~"slack|graph"} > 1.5',
        'or sallyport:ack_seconds:p99_15m{channel="gmail"} > 5',
        'or sallyport:ack_seconds:p99_15m{channel="teams"} > 10',
      ].join('\n'),
      for: '10m',
      severity: 'warning',
      summary: 'Answers to {{ $labels.channel }} come close to the deadline of the sender',
    },
    {
      alert: 'SallyportUnavailable',
      expr: 'sum by (channel) (rate(sallyport_deliveries_total{outcome="unavailable"}[5m])) > 0',
      for: '2m',
      severity: 'critical',
      summary: 'Deliveries of {{ $labels.channel }} are answered 503; the sender has to send them again',
    },
    {
      alert: 'SallyportSenderRetries',
      expr: [
        'sum by (channel) (increase(sallyport_sender_retries_total[15m])) > 10',
        'and',
        'sum by (channel) (increase(sallyport_sender_retries_total[15m]))',
        '  > 0.05 * sum by (channel) (increase(sallyport_deliveries_total[15m]))',
      ].join('\n'),
      severity: 'warning',
      summary:
        'Over 5 % of the deliveries of {{ $labels.channel }} are retries: earlier answers were late, lost or errors',
    },
    {
      alert: 'SallyportForgedDeliveries',
      expr: [
        'sum by (channel) (increase(sallyport_deliveries_total{outcome=~"rejected|quarantined"}[15m])) > 50',
        'unless',
        'sum by (channel) (increase(sallyport_deliveries_total{outcome=~"rejected|quarantined"}[15m]))',
        '  < 3 * sum by (channel) (increase(sallyport_deliveries_total{outcome=~"rejected|quarantined"}[15m] offset 1h))',
      ].join('\n'),
      severity: 'warning',
      summary:
        'Deliveries to {{ $labels.channel }} that prove nothing rise: forgeries, or a secret that was changed at the vendor',
    },
    {
      alert: 'SallyportConflicts',
      expr: happened('sallyport_deliveries_total{outcome="conflict"}', '15m', ' by (channel)'),
      severity: 'warning',
      summary: 'Events of {{ $labels.channel }} came again with another content and were not run',
    },
  ],
};

const work: RuleGroup = {
  name: 'sallyport-work',
  rules: [
    {
      alert: 'SallyportQueueOld',
      expr: 'max(sallyport_queue_oldest_seconds) > 300',
      for: '5m',
      severity: 'warning',
      summary: 'An event has waited for its first attempt for {{ $value | humanizeDuration }}',
    },
    {
      alert: 'SallyportNothingMoves',
      expr: [
        'max(sallyport_queue_due) > 0',
        'unless sum(increase(sallyport_runs_total[10m])) > 0',
        'unless max(sallyport_queue_events{state="running"}) > 0',
      ].join('\n'),
      for: '10m',
      severity: 'critical',
      summary: 'Conversations are due, and no attempt has ended or is running',
    },
    {
      alert: 'SallyportRelayStalled',
      expr: 'max(sallyport_queue_due_oldest_seconds) > 120',
      for: '2m',
      severity: 'critical',
      summary: 'A conversation has been due for {{ $value | humanizeDuration }}, and no worker has been given it',
    },
    {
      alert: 'SallyportWorkersGone',
      expr: 'max(sallyport_workers{state="working"}) < 1',
      for: '1m',
      severity: 'critical',
      summary: 'No worker takes events: none was heard of for 15 s, or all have stalled',
    },
    {
      alert: 'SallyportWorkerStalled',
      expr: 'max(sallyport_workers{state="stalled"}) > 0',
      for: '5m',
      severity: 'warning',
      summary: 'A worker has room and takes nothing of what waits',
    },
    {
      alert: 'SallyportRunsFailing',
      expr: [
        'sum by (agent) (rate(sallyport_runs_total{outcome=~"retry|parked"}[15m]))',
        '  > 0.3 * sum by (agent) (rate(sallyport_runs_total[15m]))',
      ].join('\n'),
      for: '10m',
      severity: 'warning',
      summary: 'Over 30 % of the attempts of {{ $labels.agent }} fail',
    },
    {
      alert: 'SallyportEventsParked',
      expr: [
        'max by (reason) (sallyport_queue_parked)',
        '  - (max by (reason) (sallyport_queue_parked offset 30m) or 0 * max by (reason) (sallyport_queue_parked))',
        '  > 0',
      ].join('\n'),
      severity: 'warning',
      summary:
        '{{ $value }} more events are parked as {{ $labels.reason }} than 30 minutes ago; they wait for an operator',
    },
  ],
};

const money: RuleGroup = {
  name: 'sallyport-money',
  rules: [
    {
      alert: 'SallyportBudgetNearlySpent',
      expr: 'sum by (scope, window) (max by (scope, window, part) (sallyport_budget_used_ratio)) > 0.8',
      severity: 'warning',
      summary:
        '{{ $value | humanizePercentage }} of a limit ({{ $labels.scope }}, {{ $labels.window }}) is spent or reserved',
    },
    {
      alert: 'SallyportBudgetReserved',
      expr: 'max by (scope, window) (sallyport_budget_used_ratio{part="reserved"}) > 0.5',
      for: '15m',
      severity: 'warning',
      summary:
        '{{ $value | humanizePercentage }} of a limit ({{ $labels.scope }}, {{ $labels.window }}) has been reserved for 15 minutes and not been spent',
    },
    {
      alert: 'SallyportBudgetRefused',
      expr: happened('sallyport_budget_refused_total', '15m', ' by (scope)'),
      severity: 'warning',
      summary: 'Runs were stopped by a limit of the scope {{ $labels.scope }}',
    },
  ],
};

const sources: RuleGroup = {
  name: 'sallyport-subscriptions',
  rules: [
    {
      alert: 'SallyportSubscriptionLapsed',
      expr: 'max by (channel) (sallyport_source_alarms{alarm="lapsed"}) > 0',
      severity: 'critical',
      summary: 'A subscription or watch of {{ $labels.channel }} has ended: nothing comes from it',
    },
    {
      alert: 'SallyportSubscriptionNotRenewed',
      expr: 'max by (channel) (sallyport_source_alarms{alarm=~"expiring|failing"}) > 0',
      for: '10m',
      severity: 'critical',
      summary:
        'A subscription or watch of {{ $labels.channel }} is not renewed; it ends within two hours, or the last try failed',
    },
    {
      alert: 'SallyportSourceSilent',
      expr: 'max by (channel) (sallyport_source_alarms{alarm="silent"}) > 0',
      for: '10m',
      severity: 'warning',
      summary: 'A source of {{ $labels.channel }} has sent nothing for longer than it may',
    },
  ],
};

const store: RuleGroup = {
  name: 'sallyport-store',
  rules: [
    {
      alert: 'SallyportStoreRefusesWrites',
      expr: happened(
        'sallyport_store_errors_total{reason=~"oom|misconf|readonly|noreplicas|full|ioerr"}',
        '5m',
        ' by (reason)',
      ),
      severity: 'critical',
      summary: 'The store refuses writes ({{ $labels.reason }}); nothing can be accepted or finished',
    },
    {
      alert: 'SallyportStoreErrors',
      expr: 'sum by (reason) (rate(sallyport_store_errors_total{reason!~"oom|misconf|readonly|noreplicas|full|ioerr"}[5m])) > 0',
      for: '5m',
      severity: 'warning',
      summary: 'Requests to the store fail ({{ $labels.reason }})',
    },
    {
      alert: 'SallyportRedisMemoryHigh',
      expr: 'max(sallyport_redis_memory_ratio) > 0.8',
      for: '5m',
      severity: 'critical',
      summary: 'Redis uses {{ $value | humanizePercentage }} of its memory; from 90 % on nothing new is accepted',
    },
  ],
};

const audit: RuleGroup = {
  name: 'sallyport-audit',
  rules: [
    {
      alert: 'SallyportAuditNotWritten',
      expr: happened('sallyport_audit_entries_total{outcome="failed"}', '10m'),
      severity: 'critical',
      summary: 'Entries of the audit could not be written; what they are about was not done',
    },
    {
      alert: 'SallyportAuditBehind',
      expr: 'max(sallyport_audit_pending) > 0',
      for: '10m',
      severity: 'warning',
      summary: '{{ $value }} parked events are not in the audit yet',
    },
    {
      alert: 'SallyportAuditCheckpointsStopped',
      // Six times the default of SALLYPORT_AUDIT_EVERY.
      // A new leader that fails has no age yet, and the one before took its own along.
      expr: [
        'min(sallyport_audit_checkpoint_age_seconds) > 1800',
        'or (',
        '  sum(increase(sallyport_audit_checkpoints_total{outcome="failed"}[30m])) > 0',
        '  unless min(sallyport_audit_checkpoint_age_seconds)',
        ')',
      ].join('\n'),
      for: '10m',
      severity: 'critical',
      summary: 'No worker signs checkpoints of the audit',
    },
    {
      alert: 'SallyportAuditChainReplaced',
      expr: happened('sallyport_audit_checkpoints_total{outcome="replaced"}', '1h'),
      severity: 'critical',
      summary:
        'The audit chain of a tenant does not continue its last checkpoint: the store was emptied, restored or altered',
    },
  ],
};

const processes: RuleGroup = {
  name: 'sallyport-processes',
  rules: [
    {
      alert: 'SallyportIngressDown',
      expr: 'absent(sallyport_info{role=~"ingress|all"})',
      for: '2m',
      severity: 'critical',
      summary: 'No ingress is scraped: deliveries are lost once their senders give up',
    },
    {
      alert: 'SallyportScrapeFailing',
      expr: 'up{job=~"sallyport.*"} == 0',
      for: '5m',
      severity: 'warning',
      summary: '{{ $labels.instance }} ({{ $labels.job }}) cannot be scraped',
    },
  ],
};

const edge: RuleGroup = {
  name: 'sallyport-edge',
  rules: [
    {
      alert: 'SallyportEdgeBehind',
      expr: 'max(sallyport_outbox_oldest_seconds) > 120',
      for: '5m',
      severity: 'critical',
      summary:
        'An event has waited at the edge for {{ $value | humanizeDuration }}: the origin is away, or slower than its senders',
    },
    {
      alert: 'SallyportEdgeRefused',
      expr: 'sum by (reason) (sallyport_outbox_blocked{reason!~"unreachable|unavailable|full"}) > 0',
      for: '5m',
      severity: 'critical',
      summary: 'The edge forwards nothing ({{ $labels.reason }}): the key, the URL or the release is wrong',
    },
    {
      alert: 'SallyportEdgeParked',
      expr: 'sum(sallyport_outbox_parked) > 0',
      severity: 'warning',
      summary: '{{ $value }} events at the edge were refused by the origin and wait for an operator',
    },
    {
      alert: 'SallyportEdgeFull',
      expr: 'sum(increase(sallyport_edge_accepted_total{outcome="full"}[5m])) > 0',
      severity: 'critical',
      summary: 'A shard at the edge is full: senders are answered 503',
    },
    {
      alert: 'SallyportEdgeShardsSilent',
      expr: 'sum(sallyport_edge_shards_silent) > 0',
      for: '5m',
      severity: 'warning',
      summary: '{{ $value }} shards at the edge do not answer',
    },
  ],
};

export const ruleGroups: readonly RuleGroup[] = [deliveries, work, money, sources, store, audit, processes, edge];

export const isAlert = (rule: RecordingRule | AlertRule): rule is AlertRule => 'alert' in rule;

export const alertRules: readonly AlertRule[] = ruleGroups.flatMap(({ rules }) => rules.filter(isAlert));
