import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { nodeCrypto } from '../src/core/crypto.node.ts';
import { createScrubber } from '../src/scrub/scrubber.ts';
import { markdown, median } from './report.ts';

// How fast the scrubber is on chat that holds nothing, and how the cost grows; with a labelled corpus (gzip, JSON
// `{ cases: [{ text, secret?, tier }] }`) as argument also what it finds.
const scrub = createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) });

const sentence = 'please have a look at the figures of last week, the third column seems off by one since Tuesday. ';
const chat = (bytes: number): string => sentence.repeat(Math.ceil(bytes / sentence.length)).slice(0, bytes);

function microseconds(text: string): number {
  const runs = Math.max(5, Math.min(2_000, Math.floor(20_000_000 / text.length)));
  for (let i = 0; i < runs / 5; i += 1) scrub(text);
  const each: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const startedAt = performance.now();
    for (let i = 0; i < runs / 5; i += 1) scrub(text);
    each.push(((performance.now() - startedAt) / Math.ceil(runs / 5)) * 1000);
  }
  return median(each);
}

const rows = [128, 2_048, 16_384, 131_072, 1_048_576].map((bytes) => {
  const us = microseconds(chat(bytes));
  return [String(bytes), us.toFixed(1), (bytes / us).toFixed(1)];
});
console.log(markdown(['bytes of chat', 'µs (median of 7)', 'MB/s'], rows));

interface Case {
  readonly text: string;
  readonly secret?: string;
  readonly tier: string;
}

const [path] = process.argv.slice(2);
if (path !== undefined && existsSync(path)) {
  const { cases } = JSON.parse(gunzipSync(readFileSync(path)).toString('utf8')) as { cases: readonly Case[] };
  const tiers = new Map<string, { right: number; all: number }>();
  for (const { text, secret, tier } of cases) {
    const { value } = scrub(text);
    const isRight = secret === undefined ? value === text : !value.includes(secret);
    const { right, all } = tiers.get(tier) ?? { right: 0, all: 0 };
    tiers.set(tier, { right: right + Number(isRight), all: all + 1 });
  }
  const found = [...tiers].map(([tier, { right, all }]) => [
    tier,
    `${right} of ${all}`,
    `${((100 * right) / all).toFixed(1)} %`,
  ]);
  console.log(markdown(['tier', 'right', 'share'], found));
}
