import type { ShardStatus } from '../../queue/edge/shard.ts';

/** What Prometheus scrapes at the edge. A Worker's own counters would mean nothing: many isolates run, and none knows the others. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly samples: readonly (readonly [labels: string, value: number])[];
}

/** The state of all shards as text (Prometheus exposition format 0.0.4). `null` stands for a shard that did not answer. */
export function renderShards(statuses: readonly (ShardStatus | null)[], now: number): string {
  const answered = statuses.filter((one) => one !== null);
  const sum = (pick: (one: ShardStatus) => number): number => answered.reduce((total, one) => total + pick(one), 0);
  const oldest = Math.min(...answered.map(({ oldestAt }) => oldestAt ?? now), now);
  const blocked = new Map<string, number>();
  for (const { blocked: why } of answered)
    if (why !== null) blocked.set(why.reason, (blocked.get(why.reason) ?? 0) + 1);
  const gauge = (name: string, help: string, value: number): Family => ({
    ...{ name, help, type: 'gauge' },
    samples: [['', value]],
  });
  const families: Family[] = [
    gauge(
      'sallyport_outbox_events',
      'Events accepted at the edge that wait for the origin',
      sum((one) => one.waiting.events),
    ),
    gauge('sallyport_outbox_oldest_seconds', 'Age of the oldest of them', (now - oldest) / 1000),
    gauge(
      'sallyport_outbox_parked',
      'Events that the origin refused',
      sum((one) => one.parked.events),
    ),
    gauge(
      'sallyport_outbox_bytes',
      "Size of the shards' databases",
      sum((one) => one.databaseBytes),
    ),
    {
      ...{ name: 'sallyport_outbox_blocked', type: 'gauge', help: 'Shards that forward nothing, by the reason' },
      samples: [...blocked].map(([reason, count]) => [`{reason="${reason}"}`, count]),
    },
    gauge('sallyport_edge_shards_silent', 'Shards that did not answer this scrape', statuses.length - answered.length),
    {
      ...{
        name: 'sallyport_edge_accepted_total',
        type: 'counter',
        help: 'Deliveries judged by the shards, by outcome',
      },
      samples: [
        ['{outcome="accepted"}', sum((one) => one.counts.accepted)],
        ['{outcome="duplicate"}', sum((one) => one.counts.duplicate)],
        ['{outcome="conflict"}', sum((one) => one.counts.conflict)],
        ['{outcome="full"}', sum((one) => one.full)],
      ],
    },
  ];
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, type, help, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map(([labels, value]) => `${name}${labels} ${value}\n`).join('')}`,
    )
    .join('');
}
