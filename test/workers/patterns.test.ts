import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync } from '@swc/core';
import { describe, expect, it } from 'vitest';
import { defang } from '../../src/workers/guardrails/links/defang.ts';
import { createPromptLeakCheck } from '../../src/workers/guardrails/prompt-leak/prompt-leak.ts';
import { repetitionCheck } from '../../src/workers/guardrails/repetition.ts';

/** What we use of `recheck`, which looks for inputs that make a pattern take more than linear time. */
interface Recheck {
  check(source: string, flags: string, parameters: { timeout: number }): Promise<{ status: string }>;
}

/** By name, so that this compiles where the development dependency is not installed. */
const PACKAGE = 'recheck';
const recheck = await (import(PACKAGE) as Promise<Recheck>).catch(() => null);

const TIMEOUT_MS = 60_000;
const ROOMS = ['tools', 'guardrails'].map((room) => new URL(`../../src/workers/${room}`, import.meta.url).pathname);

interface Pattern {
  readonly source: string;
  readonly flags: string;
}

function patternsIn(file: string): Pattern[] {
  const found: Pattern[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, pattern, flags } = node as { type?: string; pattern?: string; flags?: string };
    if (type === 'RegExpLiteral') found.push({ source: pattern ?? '', flags: flags ?? '' });
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync(readFileSync(file, 'utf8'), { syntax: 'typescript' }));
  return found;
}

const patterns = ROOMS.flatMap((room) =>
  readdirSync(room, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => patternsIn(join(room, name))),
);

it('the rooms have patterns to check', () => {
  expect(patterns.length).toBeGreaterThan(40);
});

describe.skipIf(recheck === null)('every pattern of tools and guardrails', () => {
  it('is safe from inputs that make it backtrack', { timeout: 1_800_000 }, async () => {
    const unsafe: string[] = [];
    for (const { source, flags } of patterns) {
      const { status } = await (recheck as Recheck).check(source, flags, { timeout: TIMEOUT_MS });
      if (status !== 'safe') unsafe.push(`${status}: /${source}/${flags}`);
    }
    expect(unsafe).toEqual([]);
  });
});

/** Pieces that begin what patterns look for and never end it. */
const seeds = [
  '<',
  '](',
  ']:',
  '[',
  '`',
  '```',
  'a.',
  'a@',
  '&#',
  'http://',
  'http:',
  'a:',
  '//',
  '\\',
  '\u200b',
  '.',
  'www.',
  '<a ',
  'x',
  ' ',
  '\n',
  '=',
  'QUJD',
  '((',
  'http://(',
  'https://good.example/',
  'a://(',
  'www.(',
  '..',
  'x.com ',
  '<https://x|',
  '))',
  '"',
  '|',
];

describe('a long text', () => {
  it.each(seeds)('made of %j costs no more than its length allows', { timeout: 60_000 }, (seed) => {
    const text = seed.repeat(Math.ceil(200_000 / seed.length));
    expect(typeof defang(text, () => false)).toBe('string');
    const signal = new AbortController().signal;
    const subject = {
      stage: 'output',
      tenant: 't',
      agent: 'a',
      text,
      instructions: 'You help people kindly.',
      signal,
    } as const;
    expect(createPromptLeakCheck(80).check(subject)).toBeDefined();
    expect(repetitionCheck.check(subject)).toBeDefined();
  });
});
