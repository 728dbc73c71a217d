import { describe, expect, it } from 'vitest';
import { createLogScrubber, createVouch } from '../../../src/scrub/log-scrub.ts';
import { ALNUM, createRandom } from './corpus/random.ts';
import { scrub } from './support.ts';

const scrubLine = createLogScrubber(scrub);
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

  it('cuts a line that is too large inside its strings, with a note, before it is scrubbed', () => {
    const quoted = `${'pw: '.repeat(500_000)} ${token}`;
    for (const line of [JSON.stringify({ level: 50, msg: 'failed', error: { message: quoted }, code: 7 }), quoted]) {
      const written = scrubLine(`${line}\n`);
      expect(written.length).toBeLessThan(128 * 1024);
      expect(written).toMatch(/\[cut: the whole text has 20000\d\d characters\]/);
      expect(written).not.toContain(token);
    }
    const line = scrubLine(`${JSON.stringify({ level: 50, message: quoted, code: 7 })}\n`);
    expect(JSON.parse(line)).toMatchObject({ level: 50, code: 7 });
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

describe('vouching for a line', () => {
  const accepted = { requestId: 'a1b2c3d4e5f6-1k4', tenant: 'acme', channel: 'slack', status: 200, reason: undefined };

  it('spares a line of numbers, own ids and known words the pass', () => {
    const vouch = createVouch(scrub);
    const line = { ...accepted, eventId: 'ev_01JABCDEFGHJKMNPQRSTVWXYZ0', source: null, isNew: true };
    expect(vouch(line, 'delivery.accepted')).toBe(true);
    // What it vouches for is what the pass would have left alone.
    const written = `${JSON.stringify({ ...line, msg: 'delivery.accepted' })}\n`;
    expect(scrubLine(written)).toBe(written);
  });

  it('leaves secrets, anything nested, and what must be escaped to the pass', () => {
    const vouch = createVouch(scrub);
    const doubtful: Record<string, unknown>[] = [
      { note: token },
      { [token]: 1, note: 'x' },
      { password: 'hunter2' },
      { token: 'ev_01JABCDEFGHJKMNPQRSTVWXYZ0' },
      { error: new Error('x') },
      { list: [] },
      { note: 'user \u202egpj.exe' },
      { note: 'a\nb' },
      { 'no\nte': 'x' },
      { note: 'x'.repeat(65) },
    ];
    for (const fields of doubtful) {
      expect(vouch(fields, 'stage.ended'), JSON.stringify(fields)).toBe(false);
      expect(vouch({ ...accepted, ...fields }, 'stage.ended')).toBe(false);
      // The second time it knows no more.
      expect(vouch(fields, 'stage.ended')).toBe(false);
    }
    expect(vouch(accepted, `said ${token}`)).toBe(false);
    expect(vouch(accepted, 'stage.ended')).toBe(true);
  });

  it('remembers a bounded number of words of each field', () => {
    const vouch = createVouch(scrub);
    const seen = Array.from({ length: 300 }, (_, n) => vouch({ tenant: `tenant-${n}` }, 'stage.ended'));
    expect(seen.filter(Boolean)).toHaveLength(256);
    expect(vouch({ tenant: 'tenant-0' }, 'stage.ended')).toBe(true);
  });
});
