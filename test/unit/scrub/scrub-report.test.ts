import { describe, expect, it } from 'vitest';
import { createScrubReporter } from '../../../src/scrub/scrub-report.ts';
import { ALNUM, createRandom } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';
import { deps } from './support.ts';

const report = createScrubReporter(deps);
const random = createRandom(8);
const token = ['gh', 'p_', random.chars(ALNUM, 36)].join('');

describe('the report for people and pipes', () => {
  it('returns the very same text when nothing is found', () => {
    const text = 'nothing\nto hide\n';
    expect(report(text)).toEqual({ text, findings: [] });
  });

  it('counts lines from one and findings per line and rule', () => {
    const { text, findings } = report(`first\npassword: hunter2\n\n${token} ${token}\npw: Abc12345`);
    expect(text).not.toContain(token);
    expect(findings).toEqual([
      { rule: 'password', line: 2, count: 1 },
      { rule: 'github-token', line: 4, count: 2 },
      { rule: 'password', line: 5, count: 1 },
    ]);
  });

  it('reports a block of several lines on its first, and what follows on its own', () => {
    const block = tokenKinds.find(({ kind }) => kind === 'rsa key')?.make(random) ?? '';
    const { findings } = report(`a\n${block}\nb\npassword: hunter2\n`);
    expect(findings).toEqual([
      { rule: 'private-key', line: 2, count: 1 },
      { rule: 'password', line: 12, count: 1 },
    ]);
  });

  it('keeps a JSON file valid and knows the lines of its strings', () => {
    const { text, findings } = report(JSON.stringify({ a: 'x', password: 'hunter2', list: [token] }, null, 2));
    expect(JSON.parse(text)).toMatchObject({ a: 'x', password: expect.stringMatching(/^\[secret:/) });
    expect(findings.map(({ line }) => line)).toEqual([3, 5]);
  });
});
