import { describe, expect, it } from 'vitest';
import { defang } from '../../../../src/workers/guardrails/links/defang.ts';
import { createPromptLeakCheck } from '../../../../src/workers/guardrails/prompt-leak.ts';
import { repetitionCheck } from '../../../../src/workers/guardrails/standard-guardrails.ts';

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
