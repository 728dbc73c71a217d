import { readFile, writeFile } from 'node:fs/promises';
import { type Contestant, contestants, type Measurement } from './ingress.ts';
import { median } from './median.ts';
import type { SenderResult } from './senders.ts';

const README = new URL('README.md', import.meta.url);

/** Ratios of the same round, so that only what changed within a round counts. */
const paired = (ours: readonly Measurement[], theirs: readonly Measurement[]): number =>
  median(ours.map((one, round) => one.perSecond / (theirs[round]?.perSecond ?? Number.NaN)));

export function ingressTable(measured: Readonly<Record<Contestant, readonly Measurement[]>>): string {
  const rows = (Object.keys(contestants) as Contestant[]).map((who) => {
    const all = measured[who];
    const of = (field: keyof Measurement, digits = 0): string => median(all.map((one) => one[field])).toFixed(digits);
    const range = all.map((one) => one.perSecond);
    return [
      `(${who}) ${contestants[who]}`,
      `${of('perSecond')} (${Math.min(...range).toFixed(0)}–${Math.max(...range).toFixed(0)})`,
      paired(all, measured.b).toFixed(2),
      paired(all, measured.d).toFixed(2),
      of('p50', 1),
      of('p99', 1),
      of('p999', 1),
      of('ingressCpu'),
      of('redisCpu'),
      of('rss'),
      of('startMs'),
      String(all.reduce((sum, one) => sum + one.failed, 0)),
    ];
  });
  const head = [
    'contestant',
    'requests/s (min–max)',
    '÷ (b)',
    '÷ (d)',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'CPU µs/event',
    'Redis CPU µs/event',
    'RSS MiB',
    'start ms',
    'failed',
  ];
  return markdown(head, rows);
}

export interface SenderRow {
  readonly name: string;
  /** One a round. */
  readonly results: readonly SenderResult[];
}

/** Other senders against the bounds of the same rounds. */
export function senderTable(rows: readonly SenderRow[], bounds: Readonly<Record<Contestant, readonly Measurement[]>>) {
  return markdown(
    ['sender', 'events/s', '÷ (b)', '÷ (c)', '÷ (d)', 'p50 ms', 'p99 ms', 'CPU µs/event', 'failed'],
    rows.map(({ name, results }) => {
      const of = (field: keyof SenderResult): number => median(results.map((one) => one[field]));
      const ratio = (who: Contestant): string =>
        median(results.map((one, round) => one.itemsPerSecond / (bounds[who][round]?.perSecond ?? Number.NaN))).toFixed(
          2,
        );
      return [
        name,
        of('itemsPerSecond').toFixed(0),
        ...(['b', 'c', 'd'] as const).map(ratio),
        of('p50').toFixed(1),
        of('p99').toFixed(1),
        of('cpu').toFixed(0),
        String(results.reduce((sum, one) => sum + one.failed, 0)),
      ];
    }),
  );
}

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->` in bench/README.md. */
export async function writeSection(name: string, content: string): Promise<void> {
  const text = await readFile(README, 'utf8');
  const section = new RegExp(`(<!-- ${name} -->)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!section.test(text)) throw new Error(`bench/README.md has no section ${name}`);
  await writeFile(README, text.replace(section, `$1\n\n${content}\n\n$2`));
}
