// Writes the tables of docs/metrics.md from the metrics as the code declares them: `npm run docs:metrics`.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { renderShards } from '../src/app/edge/metrics.ts';
import { type MetricDefinition, metricTable } from '../src/ops/metric-table.ts';

const FILE = fileURLToPath(new URL('../docs/metrics.md', import.meta.url));

export interface ExportedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** What processes on Node export. */
export const nodeMetrics: readonly (ExportedMetric & Pick<MetricDefinition, 'across'>)[] = Object.entries(
  metricTable,
).map(([name, definition]) => ({ name, ...definition }));

/** What the edge exports, as a scrape of one shard that has something of everything shows it. */
export const edgeMetrics: readonly ExportedMetric[] = metricsIn(
  renderShards(
    [
      {
        shard: 'default/0',
        waiting: { events: 1, bytes: 1 },
        parked: { events: 1, bytes: 1 },
        oldestAt: 0,
        databaseBytes: 1,
        counts: { accepted: 1, duplicate: 1, conflict: 1 },
        full: 1,
        blocked: { reason: 'unreachable', since: 0 },
      },
    ],
    1,
  ),
);

/** The metrics of a page in Prometheus' text format. */
function metricsIn(page: string): ExportedMetric[] {
  return [...page.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n\S+?(?:\{(.*)\})? /gm)].map(
    ([, name = '', help = '', type = '', labels = '']) => ({
      ...{ name, help, type },
      labels: [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
    }),
  );
}

/** The page with its tables written anew. */
export function withMetrics(page: string): string {
  const tables: Readonly<Record<string, string>> = {
    node: table(
      ['metric', 'type', 'labels', 'across processes', 'is'],
      nodeMetrics.map((one) => [...cellsOf(one), one.across, one.help]),
    ),
    edge: table(
      ['metric', 'type', 'labels', 'is'],
      edgeMetrics.map((one) => [...cellsOf(one), one.help]),
    ),
  };
  return page.replace(
    /(<!-- metrics: (\w+) -->\n)[\s\S]*?(<!-- \/metrics -->)/g,
    (_, start: string, which: string, end: string) => `${start}${tables[which] ?? ''}${end}`,
  );
}

const cellsOf = ({ name, type, labels }: ExportedMetric): string[] => [
  `\`${name}\``,
  type,
  labels.map((label) => `\`${label}\``).join(', '),
];

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`.replace(/ {2,}/g, ' ')).join('');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(FILE, withMetrics(await readFile(FILE, 'utf8')));
}
