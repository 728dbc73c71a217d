import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { bundle } from '../test/support/bundle.ts';
import { median } from './median.ts';
import { markdown, writeSection } from './report.ts';

// What loading ioredis does to every string of the process, and whether the remedy still works.
// `npx tsx bench/strings.ts [rounds]`
const rounds = Number(process.argv[2] ?? 5);
const worlds = {
  alone: 'nothing else loaded',
  ioredis: 'with ioredis',
  remedy: 'with ioredis and the remedy',
} as const;
const names = Object.keys(worlds) as (keyof typeof worlds)[];
const speeds = { alone: [] as number[], ioredis: [] as number[], remedy: [] as number[] };
const program = await bundle('bench/strings-measure.ts');
for (let round = 0; round < rounds; round += 1) {
  for (const name of round % 2 === 0 ? names : [...names].reverse()) {
    speeds[name].push(Number(execFileSync(process.execPath, [program, name], { encoding: 'utf8' })));
  }
}
await rm(program);
const table = markdown(
  ['process', 'MB/s of chat scrubbed', 'min–max'],
  names.map((name) => [
    worlds[name],
    String(median(speeds[name])),
    `${Math.min(...speeds[name])}–${Math.max(...speeds[name])}`,
  ]),
);
console.log(table);
await writeSection('strings', table);
