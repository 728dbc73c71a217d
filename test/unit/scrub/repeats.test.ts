import { describe, expect, it } from 'vitest';
import { createScrubReporter } from '../../../src/scrub/scrub-report.ts';
import { clean, deps, scrub } from './support.ts';

/** Assembled here, so that no scanner finds a secret in the repository. */
const PASSWORD = ['Summer', '2030!', 'xK'].join('');
const RANDOM = ['q7Rt2', 'Lw9Zp', '4Vn8X'].join('');

const textOf = (value: unknown): string => JSON.stringify(scrub(value).value);

describe('a value that was found in one string of a record', () => {
  const record = (places: Record<string, unknown>) => ({ text: `the password is ${PASSWORD}`, ...places });

  it.each([
    ['as a whole string', { blocks: [{ elements: [{ text: 'the password is ' }, { text: PASSWORD }] }] }],
    ['inside a longer string', { note: `we changed (${PASSWORD}) today` }],
    ['as a key', { state: { [PASSWORD]: true } }],
    ['in HTML', { html: `<p>It is <b>${PASSWORD.replace('!', '&#33;')}</b></p>` }],
    ['in JSON inside a string', { raw: JSON.stringify({ a: [`x ${PASSWORD} y`] }) }],
    ['in base64', { data: Buffer.from(`first line\nand then ${PASSWORD} it is`).toString('base64') }],
    ['percent-encoded', { url: `https://example.com/?q=${encodeURIComponent(PASSWORD).replace('!', '%21')}` }],
    ['before the string that gave it away', { a: PASSWORD, text: `password: ${PASSWORD}` }],
    ['in a list', { list: ['one', PASSWORD, 'two'] }],
  ])('is hidden in all of them: %s', (_, places) => {
    const { value } = scrub(record(places));
    const [marker = ''] = /\[secret:password#[0-9a-f]{4}\]/.exec(value.text) ?? [];
    expect(marker).not.toBe('');
    const { text: _text, ...rest } = value as Record<string, unknown>;
    const shown = JSON.stringify(rest);
    const decoded = (shown.match(/[A-Za-z0-9+/]{24,}={0,2}/g) ?? []).map((run) =>
      Buffer.from(run, 'base64').toString(),
    );
    expect(shown).not.toContain(PASSWORD);
    expect([shown, ...decoded].join('\n')).toContain(marker);
    expect([shown, ...decoded].join('\n')).not.toContain(PASSWORD);
  });

  it('is hidden when it is a key that looks like a name of a program', () => {
    expect(textOf({ text: 'my password is hunter2', hunter2: 1 })).not.toContain('hunter2');
  });

  it('is hidden as a number when it is made of digits', () => {
    expect(textOf({ note: 'the password is 49302718', payload: { code: 49302718, other: 49302719 } })).toMatch(
      /"code":"\[secret:password#[0-9a-f]{4}\]","other":49302719/,
    );
  });

  it('is counted where it was hidden', () => {
    const { findings } = scrub(record({ note: `${PASSWORD} and ${PASSWORD}` }));
    expect(findings).toEqual([
      { rule: 'password', path: 'text', count: 1 },
      { rule: 'password', path: 'note', count: 2 },
    ]);
  });

  it('is left where it only names what the record belongs to', () => {
    const given = { text: 'password: U024BE7LH', payload: { user: 'U024BE7LH', note: 'by U024BE7LH' } };
    const { value } = scrub(given, { identifiers: ['U024BE7LH'] });
    expect(value.payload.user).toBe('U024BE7LH');
    expect(value.text + value.payload.note).not.toContain('U024BE7LH');
  });

  it('of many is hidden, each', () => {
    const values = Array.from({ length: 500 }, (_, n) => `aB3${(n * 2_654_435_761).toString(36)}xK9`);
    const given = { a: values.map((value) => `password=${value}`).join('\n'), b: values.join(' ') };
    const shown = textOf(given);
    expect(values.filter((value) => shown.includes(value))).toEqual([]);
  });
});

describe('a value that was found once in a text', () => {
  it('is hidden where it is repeated', () => {
    const text = `api_key=${RANDOM}\nthen I ran login ${RANDOM} twice, and x-${RANDOM}-y`;
    expect(clean(text)).not.toContain(RANDOM);
    expect(clean(text).match(/\[secret:named-secret#[0-9a-f]{4}\]/g)).toHaveLength(3);
    expect(new Set(clean(text).match(/\[secret:[^\]]*\]/g)).size).toBe(1);
  });

  it('is hidden where a JSON log line repeats it in another field', () => {
    const line = JSON.stringify({ level: 50, err: `password=${PASSWORD}`, hint: `tried ${PASSWORD}`, n: 1 });
    expect(JSON.parse(clean(line))).toMatchObject({ level: 50, n: 1 });
    expect(clean(line)).not.toContain(PASSWORD);
  });

  it('is hidden by the command line as well, which names the line', () => {
    const { text, findings } = createScrubReporter(deps)(`one\npassword: ${PASSWORD}\nthree\nit was ${PASSWORD}.\n`);
    expect(text).not.toContain(PASSWORD);
    expect(findings).toEqual([
      { rule: 'password', line: 2, count: 1 },
      { rule: 'password', line: 4, count: 1 },
    ]);
  });
});

describe('a value that may be an ordinary word', () => {
  it('is hidden where it is all that a text says, and nowhere else', () => {
    const given = {
      type: 'message',
      swordfish: 1,
      text: 'the password is `swordfish`',
      blocks: [
        { type: 'swordfish', elements: [{ type: 'text', text: ' swordfish ' }, { text: 'a swordfish is a fish' }] },
      ],
    };
    expect(textOf(given)).toMatch(
      /^\{"type":"message","swordfish":1,"text":"the password is `(\[secret:password#[0-9a-f]{4}\])`","blocks":\[\{"type":"swordfish","elements":\[\{"type":"text","text":" \1 "\},\{"text":"a swordfish is a fish"\}\]\}\]\}$/,
    );
  });

  it.each([
    ['shorter than six characters', { text: 'password: a1b2', note: 'sheet a1b2 of the plan' }],
    ['part of a longer word', { text: 'password: hunter2', note: 'see hunter20 and ahunter2' }],
  ])('is left where it is %s', (_, given) => {
    expect((scrub(given).value as { note: string }).note).toBe(given.note);
  });
});

describe('a file for the command line', () => {
  it('comes back whole, however many secrets it holds', () => {
    const lines = Array.from(
      { length: 20_000 },
      (_, n) => `line ${n} password=aB3${(n * 2_654_435_761).toString(36)}xK9`,
    );
    const { text } = createScrubReporter(deps)([...lines, 'the last line says nothing'].join('\n'));
    const after = text.split('\n');
    expect(after).toHaveLength(lines.length + 1);
    expect(after.at(-1)).toBe('the last line says nothing');
    expect(after.filter((line, n) => !line.startsWith(`line ${n} password=[secret:password#`))).toHaveLength(1);
  });

  it.each([
    ['key=value logs', (n: number) => `level=info key=user:${n} token_type=bearer cache_key=session/${n}/view auth=ok`],
    ['JSON logs', (n: number) => JSON.stringify({ level: 30, key: `orders/${n}`, auth: 'none', session: 'open', n })],
    ['logs of logins', (n: number) => `sshd[${n}]: Accepted password for user${n} from 10.0.0.7 port ${n} ssh2`],
    ['examples of tokens', (n: number) => `${n}: ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`],
  ])('comes back as it was when it holds nothing but %s', (_, line) => {
    const text = Array.from({ length: 20_000 }, (_, n) => line(n)).join('\n');
    expect(createScrubReporter(deps)(text)).toEqual({ text, findings: [] });
  });
});
