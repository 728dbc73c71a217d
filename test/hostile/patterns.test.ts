import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseSync } from '@swc/core';
import { check } from 'recheck';
import { expect, it } from 'vitest';

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

it('there are patterns to check', () => {
  expect(patterns.length).toBeGreaterThan(450);
});

it('no pattern can be made to backtrack', { timeout: 1_800_000 }, async () => {
  const unsafe: string[] = [];
  for (const { file, source, flags } of patterns) {
    const status = await statusOf(source, flags);
    if (status !== 'safe') unsafe.push(`${file}: ${status}: /${source}/${flags}`);
  }
  expect(unsafe).toEqual([]);
});
