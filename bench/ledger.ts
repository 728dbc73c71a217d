import { rm } from 'node:fs/promises';
import { bundle } from '../test/support/bundle.ts';
import type { LedgerFigures } from './ledger-measure.ts';
import { median } from './median.ts';
import { markdown, writeSection } from './report.ts';

// What a model call pays for its budget: a reservation before it and a settlement after it, each against 18 limits, and
// how soon a run notices the kill switch. As a bundle, because the Redis driver imports Lua.
const rounds = Number(process.argv[2] ?? 3);

interface Measure {
  measureRedis(): Promise<LedgerFigures>;
  measureEmbedded(): Promise<LedgerFigures>;
}

const program = await bundle('bench/ledger-measure.ts');
const { measureRedis, measureEmbedded } = (await import(program)) as Measure;
const redis: LedgerFigures[] = [];
const embedded: LedgerFigures[] = [];
for (let round = 1; round <= rounds; round += 1) {
  redis.push(await measureRedis());
  embedded.push(await measureEmbedded());
  console.log(`round ${round}:`, JSON.stringify({ redis: redis.at(-1), embedded: embedded.at(-1) }));
}
await rm(program);

const cell = (figures: readonly LedgerFigures[], name: keyof LedgerFigures, digits = 2): string => {
  const values = figures.flatMap((one) => one[name] ?? []);
  if (values.length === 0) return '–';
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
};
const row = (name: string, of: keyof LedgerFigures, digits?: number): string[] => [
  name,
  cell(redis, of, digits),
  cell(embedded, of, digits),
];
const table = markdown(
  ['what', 'Redis, median (min–max)', 'embedded'],
  [
    row('reserve, p50 (ms)', 'reserveP50'),
    row('reserve, p99 (ms)', 'reserveP99'),
    row('settle, p50 (ms)', 'settleP50'),
    row('settle, p99 (ms)', 'settleP99'),
    row('smallest durable write of the store, p50 (ms)', 'writeP50'),
    row('round trips of both', 'trips'),
    row('both, 32 runs at once, p50 (ms)', 'busyP50'),
    row('both, 32 runs at once, per second', 'callsPerSecond', 0),
    row('kill switch → run stopped, p50 (ms)', 'killP50', 0),
    row('kill switch → run stopped, longest of 20 (ms)', 'killMax', 0),
  ],
);
console.log(table);
await writeSection('ledger', table);
