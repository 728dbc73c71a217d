import { describe, expect, it } from 'vitest';
import { createLogScrubber } from '../../src/scrub/log-scrub.ts';
import { ALNUM, createRandom } from './corpus/random.ts';
import { isPlainLine, scrub } from './support.ts';

const scrubLine = createLogScrubber(scrub, isPlainLine);
const token = ['gl', 'pat-', createRandom(3).chars(ALNUM, 20)].join('');

describe('the last pass over a log line', () => {
  it('leaves a clean line byte for byte', () => {
    const line = `${JSON.stringify({ level: 30, time: 1_767_225_600_000, msg: 'delivery.accepted', event: 'a1b2' })}\n`;
    expect(scrubLine(line)).toBe(line);
  });

  it('hides secrets and keeps valid JSON valid', () => {
    const line = scrubLine(
      `${JSON.stringify({ level: 50, msg: 'failed', err: { stack: `Error: ${token}\n    at x` } })}\n`,
    );
    expect(line).not.toContain(token);
    expect(JSON.parse(line)).toMatchObject({
      level: 50,
      err: { stack: expect.stringMatching(/^Error: \[secret:gitlab-token#/) },
    });
  });

  it('writes one event on one line, whatever is in it', () => {
    for (const raw of ['a\nb', 'a\r\nb', 'a\u2028b', 'a\u0085b', 'a\u000bb']) {
      const line = scrubLine(`plain ${raw}\n`);
      expect(line.split(/[\n\r\u2028\u2029\u0085\u000b]/)).toHaveLength(2);
      expect(line.endsWith('\n')).toBe(true);
    }
  });

  it('escapes what moves a cursor or turns the direction of reading', () => {
    expect(scrubLine('a\u001b[2Kb\u009bc\u202ed\u2066e\u007f')).toBe('a\\u001b[2Kb\\u009bc\\u202ed\\u2066e\\u007f');
    const line = scrubLine(`${JSON.stringify({ msg: 'user \u202egpj.exe' })}\n`);
    expect(line).toContain('\\u202e');
    expect(JSON.parse(line)).toEqual({ msg: 'user \u202egpj.exe' });
  });

  it('adds no line end where there was none', () => {
    expect(scrubLine('x')).toBe('x');
  });
});
