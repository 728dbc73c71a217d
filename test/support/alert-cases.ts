/** Series by selector, with values as promtool writes them: one a minute. */
export type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly alert: string;
  /** When the alert is looked at. Default 30m. */
  readonly at?: string;
  /** What makes it fire; several, where it fires for several reasons. */
  readonly fires: readonly Series[];
  /** Labels of the firing alert besides name and severity. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What must not make it fire, however near it comes. */
  readonly quiet: readonly Series[];
}

const delivered = (channel: string, outcome: string, values: string, reason = ''): Series => ({
  [`sallyport_deliveries_total{channel="${channel}",outcome="${outcome}",reason="${reason}",instance="a"}`]: values,
});

/** Acknowledgements: each minute so many, of which so many within each bound. */
const acked = (channel: string, count: number, within: Readonly<Record<string, number>>): Series => ({
  [`sallyport_ack_seconds_count{channel="${channel}",instance="a"}`]: `0+${count}x120`,
  [`sallyport_ack_seconds_bucket{channel="${channel}",le="+Inf",instance="a"}`]: `0+${count}x120`,
  ...Object.fromEntries(
    Object.entries(within).map(([le, one]) => [
      `sallyport_ack_seconds_bucket{channel="${channel}",le="${le}",instance="a"}`,
      `0+${one}x120`,
    ]),
  ),
});

const gauge = (name: string, values: string, more = ''): Series => ({ [`${name}{instance="a"${more}}`]: values });

export const alertCases: readonly AlertCase[] = [
  {
    alert: 'SallyportSlackFailing',
    at: '90m',
    fires: [
      { ...acked('slack', 10, { '3': 10 }), ...delivered('slack', 'rejected', '0+6x120', 'signature_mismatch') },
      { ...acked('slack', 10, { '3': 10 }), ...delivered('slack', 'unavailable', '0+6x120', 'store_unavailable') },
      // Late answers alone, without any refusal.
      acked('slack', 10, { '3': 4 }),
    ],
    quiet: [
      { ...acked('slack', 10, { '3': 10 }), ...delivered('slack', 'rejected', '0+4x120', 'signature_mismatch') },
      { ...acked('slack', 10, { '3': 10 }), ...delivered('slack', 'ignored', '0+9x120', 'no_agent') },
      { ...acked('graph', 10, { '3': 4 }), ...delivered('graph', 'rejected', '0+9x120') },
    ],
  },
  {
    alert: 'SallyportSlackRateLimited',
    fires: [delivered('slack', 'ignored', '_x25 1 1 1 1 1 1', 'app_rate_limited')],
    quiet: [
      delivered('slack', 'ignored', '1x60', 'app_rate_limited'),
      delivered('slack', 'ignored', '0+1x60', 'no_agent'),
    ],
  },
  {
    alert: 'SallyportAcknowledgementsLate',
    fires: [acked('slack', 100, { '3': 98 })],
    labels: { channel: 'slack' },
    quiet: [
      acked('slack', 1_000, { '3': 995 }),
      // Teams waits for 15 s, Pub/Sub for 10 s.
      acked('teams', 100, { '3': 10, '15': 100 }),
      acked('gmail', 100, { '3': 10, '10': 100 }),
      acked('slack', 0, { '3': 0 }),
    ],
  },
  {
    alert: 'SallyportAcknowledgementsSlow',
    fires: [acked('graph', 100, { '1': 50, '2': 99, '3': 100 })],
    labels: { channel: 'graph' },
    quiet: [
      acked('graph', 100, { '0.5': 90, '1': 99.5, '3': 100 }),
      acked('gmail', 100, { '1': 50, '2': 99.5, '3': 100 }),
      acked('teams', 100, { '1': 50, '5': 80, '10': 99.5, '15': 100 }),
    ],
  },
  {
    alert: 'SallyportUnavailable',
    fires: [delivered('slack', 'unavailable', '0+1x60', 'store_unavailable')],
    labels: { channel: 'slack' },
    quiet: [delivered('slack', 'unavailable', '7x60', 'store_unavailable'), delivered('slack', 'rejected', '0+1x60')],
  },
  {
    alert: 'SallyportSenderRetries',
    fires: [
      {
        'sallyport_sender_retries_total{channel="slack",reason="http_timeout",instance="a"}': '0+2x60',
        ...delivered('slack', 'accepted', '0+10x60'),
      },
    ],
    labels: { channel: 'slack' },
    quiet: [
      {
        'sallyport_sender_retries_total{channel="slack",reason="http_timeout",instance="a"}': '0+2x60',
        ...delivered('slack', 'accepted', '0+100x60'),
      },
      {
        'sallyport_sender_retries_total{channel="slack",reason="http_timeout",instance="a"}': '0x20 0+1x5 5x20',
        ...delivered('slack', 'accepted', '0+1x60'),
      },
    ],
  },
  {
    alert: 'SallyportForgedDeliveries',
    at: '85m',
    fires: [
      delivered('graph', 'quarantined', '0x75 0+10x30', 'client_state'),
      delivered('graph', 'rejected', '0+1x75 95+20x30', 'token_signature_mismatch'),
    ],
    labels: { channel: 'graph' },
    quiet: [
      // As many as an hour ago.
      delivered('slack', 'rejected', '0+10x120', 'signature_mismatch'),
      delivered('slack', 'rejected', '0x75 0+1x30', 'signature_mismatch'),
    ],
  },
  {
    alert: 'SallyportConflicts',
    fires: [delivered('gmail', 'conflict', '_x25 1 1 1 1 1 1'), delivered('gmail', 'conflict', '3x25 4x20')],
    labels: { channel: 'gmail' },
    quiet: [delivered('gmail', 'conflict', '4x60'), delivered('gmail', 'duplicate', '0+1x60')],
  },
  {
    alert: 'SallyportQueueOld',
    fires: [gauge('sallyport_queue_oldest_seconds', '310x60')],
    quiet: [
      gauge('sallyport_queue_oldest_seconds', '290x60'),
      // Two processes show the same figure.
      {
        ...gauge('sallyport_queue_oldest_seconds', '200x60'),
        'sallyport_queue_oldest_seconds{instance="b"}': '200x60',
      },
    ],
  },
  {
    alert: 'SallyportNothingMoves',
    at: '40m',
    fires: [
      { ...gauge('sallyport_queue_due', '3x60'), ...gauge('sallyport_queue_events', '0x60', ',state="running"') },
      {
        ...gauge('sallyport_queue_due', '3x60'),
        'sallyport_runs_total{agent="echo",outcome="replied",instance="a"}': '9x60',
      },
    ],
    quiet: [
      {
        ...gauge('sallyport_queue_due', '3x60'),
        'sallyport_runs_total{agent="echo",outcome="replied",instance="a"}': '0+1x60',
      },
      { ...gauge('sallyport_queue_due', '3x60'), ...gauge('sallyport_queue_events', '1x60', ',state="running"') },
      gauge('sallyport_queue_due', '0x60'),
    ],
  },
  {
    alert: 'SallyportRelayStalled',
    fires: [gauge('sallyport_queue_due_oldest_seconds', '0+60x60')],
    quiet: [gauge('sallyport_queue_due_oldest_seconds', '100x60')],
  },
  {
    alert: 'SallyportWorkersGone',
    fires: [
      {
        ...gauge('sallyport_workers', '0x60', ',state="working"'),
        ...gauge('sallyport_workers', '0x60', ',state="stalled"'),
      },
      {
        ...gauge('sallyport_workers', '0x60', ',state="working"'),
        ...gauge('sallyport_workers', '2x60', ',state="stalled"'),
      },
    ],
    quiet: [
      gauge('sallyport_workers', '1x60', ',state="working"'),
      gauge('sallyport_workers', '1x29 0 1x30', ',state="working"'),
    ],
  },
  {
    alert: 'SallyportWorkerStalled',
    fires: [gauge('sallyport_workers', '1x60', ',state="stalled"')],
    quiet: [gauge('sallyport_workers', '0x60', ',state="stalled"')],
  },
  {
    alert: 'SallyportRunsFailing',
    fires: [
      {
        'sallyport_runs_total{agent="assistant",outcome="retry",instance="a"}': '0+3x60',
        'sallyport_runs_total{agent="assistant",outcome="parked",instance="a"}': '0+1x60',
        'sallyport_runs_total{agent="assistant",outcome="replied",instance="a"}': '0+6x60',
      },
    ],
    labels: { agent: 'assistant' },
    quiet: [
      {
        'sallyport_runs_total{agent="assistant",outcome="retry",instance="a"}': '0+2x60',
        'sallyport_runs_total{agent="assistant",outcome="replied",instance="a"}': '0+8x60',
      },
      { 'sallyport_runs_total{agent="assistant",outcome="silent",instance="a"}': '0+8x60' },
    ],
  },
  {
    alert: 'SallyportEventsParked',
    at: '40m',
    fires: [
      gauge('sallyport_queue_parked', '2x20 3x40', ',reason="agent_failed"'),
      gauge('sallyport_queue_parked', '_x20 1x40', ',reason="agent_failed"'),
    ],
    labels: { reason: 'agent_failed' },
    quiet: [
      gauge('sallyport_queue_parked', '5x60', ',reason="agent_failed"'),
      gauge('sallyport_queue_parked', '5x20 3x40', ',reason="agent_failed"'),
    ],
  },
  {
    alert: 'SallyportBudgetNearlySpent',
    fires: [
      {
        ...gauge('sallyport_budget_used_ratio', '0.6x60', ',scope="tenant",window="day",part="spent"'),
        ...gauge('sallyport_budget_used_ratio', '0.25x60', ',scope="tenant",window="day",part="reserved"'),
      },
    ],
    labels: { scope: 'tenant', window: 'day' },
    quiet: [
      {
        // Two processes show the same account.
        ...gauge('sallyport_budget_used_ratio', '0.5x60', ',scope="tenant",window="day",part="spent"'),
        'sallyport_budget_used_ratio{instance="b",scope="tenant",window="day",part="spent"}': '0.5x60',
        ...gauge('sallyport_budget_used_ratio', '0.25x60', ',scope="tenant",window="day",part="reserved"'),
      },
    ],
  },
  {
    alert: 'SallyportBudgetReserved',
    fires: [gauge('sallyport_budget_used_ratio', '0.6x60', ',scope="global",window="month",part="reserved"')],
    labels: { scope: 'global', window: 'month' },
    quiet: [
      gauge('sallyport_budget_used_ratio', '0.6x60', ',scope="global",window="month",part="spent"'),
      gauge('sallyport_budget_used_ratio', '0.6x25 0 0.6x30', ',scope="global",window="month",part="reserved"'),
    ],
  },
  {
    alert: 'SallyportBudgetRefused',
    fires: [{ 'sallyport_budget_refused_total{scope="user",instance="a"}': '_x25 1x30' }],
    labels: { scope: 'user' },
    quiet: [{ 'sallyport_budget_refused_total{scope="user",instance="a"}': '4x60' }],
  },
  {
    alert: 'SallyportSubscriptionLapsed',
    fires: [gauge('sallyport_source_alarms', '1x60', ',channel="graph",alarm="lapsed"')],
    labels: { channel: 'graph' },
    quiet: [gauge('sallyport_source_alarms', '0x60', ',channel="graph",alarm="lapsed"')],
  },
  {
    alert: 'SallyportSubscriptionNotRenewed',
    fires: [
      gauge('sallyport_source_alarms', '1x60', ',channel="gmail",alarm="expiring"'),
      gauge('sallyport_source_alarms', '1x60', ',channel="gmail",alarm="failing"'),
    ],
    labels: { channel: 'gmail' },
    quiet: [gauge('sallyport_source_alarms', '0x25 1x5 0x30', ',channel="gmail",alarm="failing"')],
  },
  {
    alert: 'SallyportSourceSilent',
    fires: [gauge('sallyport_source_alarms', '1x60', ',channel="gmail",alarm="silent"')],
    labels: { channel: 'gmail' },
    quiet: [gauge('sallyport_source_alarms', '1x60', ',channel="gmail",alarm="failing"')],
  },
  {
    alert: 'SallyportStoreRefusesWrites',
    fires: [{ 'sallyport_store_errors_total{reason="oom",instance="a"}': '_x28 1x30' }],
    labels: { reason: 'oom' },
    quiet: [
      { 'sallyport_store_errors_total{reason="oom",instance="a"}': '9x60' },
      { 'sallyport_store_errors_total{reason="timeout",instance="a"}': '0+9x60' },
    ],
  },
  {
    alert: 'SallyportStoreErrors',
    fires: [{ 'sallyport_store_errors_total{reason="timeout",instance="a"}': '0+1x60' }],
    labels: { reason: 'timeout' },
    quiet: [
      { 'sallyport_store_errors_total{reason="timeout",instance="a"}': '9x60' },
      { 'sallyport_store_errors_total{reason="oom",instance="a"}': '0+1x60' },
    ],
  },
  {
    alert: 'SallyportRedisMemoryHigh',
    fires: [gauge('sallyport_redis_memory_ratio', '0.85x60')],
    quiet: [gauge('sallyport_redis_memory_ratio', '0.75x60')],
  },
  {
    alert: 'SallyportAuditNotWritten',
    fires: [{ 'sallyport_audit_entries_total{outcome="failed",instance="a"}': '_x28 1x30' }],
    quiet: [
      { 'sallyport_audit_entries_total{outcome="failed",instance="a"}': '2x60' },
      { 'sallyport_audit_entries_total{outcome="written",instance="a"}': '0+5x60' },
    ],
  },
  {
    alert: 'SallyportAuditBehind',
    fires: [gauge('sallyport_audit_pending', '2x60')],
    quiet: [gauge('sallyport_audit_pending', '2x10 0x50')],
  },
  {
    alert: 'SallyportAuditCheckpointsStopped',
    at: '50m',
    fires: [
      gauge('sallyport_audit_checkpoint_age_seconds', '0+60x60'),
      // Each leader since the start has failed.
      { 'sallyport_audit_checkpoints_total{outcome="failed",instance="a"}': '0x20 1+1x40' },
    ],
    quiet: [
      // Of two workers one leads; the age of the other only grows.
      {
        ...gauge('sallyport_audit_checkpoint_age_seconds', '0+60x60'),
        'sallyport_audit_checkpoint_age_seconds{instance="b"}': '200x60',
      },
      // One failure, and then all is well.
      {
        'sallyport_audit_checkpoints_total{outcome="failed",instance="a"}': '0x40 1x20',
        'sallyport_audit_checkpoint_age_seconds{instance="a"}': '_x42 0x18',
      },
      // None are configured.
      gauge('sallyport_workers', '1x60', ',state="working"'),
    ],
  },
  {
    alert: 'SallyportAuditChainReplaced',
    fires: [{ 'sallyport_audit_checkpoints_total{outcome="replaced",instance="a"}': '_x20 1x30' }],
    quiet: [{ 'sallyport_audit_checkpoints_total{outcome="written",instance="a"}': '0+1x60' }],
  },
  {
    alert: 'SallyportIngressDown',
    fires: [{ 'sallyport_info{role="worker",version="1",instance="a"}': '1x60' }],
    quiet: [
      { 'sallyport_info{role="ingress",version="1",instance="a"}': '1x60' },
      { 'sallyport_info{role="all",version="1",instance="a"}': '1x60' },
    ],
  },
  {
    alert: 'SallyportScrapeFailing',
    fires: [{ 'up{job="sallyport-worker",instance="a"}': '1x10 0x50' }],
    labels: { job: 'sallyport-worker', instance: 'a' },
    quiet: [{ 'up{job="sallyport-worker",instance="a"}': '1x60' }, { 'up{job="other",instance="a"}': '0x60' }],
  },
  {
    alert: 'SallyportEdgeBehind',
    fires: [gauge('sallyport_outbox_oldest_seconds', '130x60')],
    quiet: [gauge('sallyport_outbox_oldest_seconds', '110x60')],
  },
  {
    alert: 'SallyportEdgeRefused',
    fires: [gauge('sallyport_outbox_blocked', '2x60', ',reason="status_401"')],
    labels: { reason: 'status_401' },
    quiet: ['unreachable', 'unavailable', 'full'].map((reason) =>
      gauge('sallyport_outbox_blocked', '2x60', `,reason="${reason}"`),
    ),
  },
  {
    alert: 'SallyportEdgeParked',
    fires: [gauge('sallyport_outbox_parked', '1x60')],
    quiet: [gauge('sallyport_outbox_parked', '0x60')],
  },
  {
    alert: 'SallyportEdgeFull',
    fires: [gauge('sallyport_edge_accepted_total', '0+1x60', ',outcome="full"')],
    quiet: [
      gauge('sallyport_edge_accepted_total', '5x60', ',outcome="full"'),
      gauge('sallyport_edge_accepted_total', '0+1x60', ',outcome="accepted"'),
    ],
  },
  {
    alert: 'SallyportEdgeShardsSilent',
    fires: [gauge('sallyport_edge_shards_silent', '1x60')],
    quiet: [gauge('sallyport_edge_shards_silent', '0x60')],
  },
];
