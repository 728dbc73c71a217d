import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseSync } from '@swc/core';
import { check } from 'recheck';
import { expect, it } from 'vitest';
import { seeded } from '../support/campaign.ts';

interface Pattern {
  readonly file: string;
  readonly source: string;
  readonly flags: string;
}

/** For one pattern, in ms; the slowest takes three seconds on a core of its own, and much longer on a shared one. */
const TIMEOUT_MS = 300_000;

const SOURCES = new URL('../../src', import.meta.url).pathname;

/** Every regular expression literal of a file: nearly all of them meet text from outside some day. */
function patternsIn(file: string): Pattern[] {
  const found: Pattern[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, pattern, flags } = node as { type?: string; pattern?: string; flags?: string };
    if (type === 'RegExpLiteral')
      found.push({ file: relative(SOURCES, file), source: pattern ?? '', flags: flags ?? '' });
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync(readFileSync(file, 'utf8'), { syntax: 'typescript' }));
  return found;
}

const patterns = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .flatMap((name) => patternsIn(join(SOURCES, name)));

/**
 * The default limits also call a pattern vulnerable that only took long on a loaded machine. The second check is slower and
 * counts the characters that were read, so that its verdict is the same on any machine.
 */
async function statusOf(source: string, flags: string): Promise<string> {
  const quick = await check(source, flags, { timeout: TIMEOUT_MS });
  if (quick.status === 'safe') return quick.status;
  return (await check(source, flags, { timeout: TIMEOUT_MS, attackTimeout: null, incubationTimeout: null })).status;
}

/**
 * Digests of patterns that were found safe, by this version of recheck: its verdict on a pattern does not change, and all of
 * them take minutes. `UPDATE_PATTERNS=1` adds the new ones that are safe.
 */
const RECORD = new URL('../fixtures/safe-patterns.txt', import.meta.url);
const { devDependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const HEADER = `recheck ${devDependencies.recheck}`;
const isUpdate = process.env.UPDATE_PATTERNS === '1';

const digestOf = ({ source, flags }: Pattern): string =>
  createHash('sha256').update(`/${source}/${flags}`).digest('hex').slice(0, 32);

function recorded(): ReadonlySet<string> {
  const [header, ...digests] = readFileSync(RECORD, 'utf8').trim().split('\n');
  return new Set(header === HEADER ? digests : []);
}

/** One in so many patterns of the record is checked all the same, drawn by the day. */
const SAMPLE = 20;
const day = Math.floor(Date.now() / 86_400_000);

it('there are patterns to check', () => {
  expect(patterns.length).toBeGreaterThan(450);
});

it(`no pattern can be made to backtrack (sample of day ${day})`, { timeout: 1_800_000 }, async () => {
  const safe = recorded();
  const draw = seeded(day);
  const unsafe: string[] = [];
  for (const pattern of new Map(patterns.map((one) => [digestOf(one), one])).values()) {
    if (safe.has(digestOf(pattern)) && draw() * SAMPLE >= 1) continue;
    const { file, source, flags } = pattern;
    const status = await statusOf(source, flags);
    if (status !== 'safe') unsafe.push(`${file}: ${status}: /${source}/${flags}`);
  }
  expect(unsafe).toEqual([]);
  const digests = [...new Set(patterns.map(digestOf))].sort();
  if (isUpdate) writeFileSync(RECORD, `${[HEADER, ...digests].join('\n')}\n`);
});

it('the record names every pattern, so that only new ones take time', () => {
  const missing = patterns.filter((one) => !recorded().has(digestOf(one))).map(({ file }) => file);
  expect(isUpdate ? [] : missing, 'run UPDATE_PATTERNS=1 npx vitest run test/hostile/patterns.test.ts').toEqual([]);
});
