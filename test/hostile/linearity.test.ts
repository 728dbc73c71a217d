import { describe, expect, it } from 'vitest';
import { contextRules, tokenRules } from '../../src/scrub/rules/all.ts';
import { scrub } from '../unit/scrub/support.ts';
import { slowTexts } from './slow-texts.ts';

/**
 * What a text made to be slow is made of: the literals that rules look for, over and over, so that each could look at
 * all that follows; and the escapes of every notation.
 */
const anchors = [...new Set([...tokenRules, ...contextRules].flatMap((rule) => rule.anchors))];
const UNITS = [
  ...anchors.flatMap((anchor) => [anchor, `${anchor}=`]),
  ...['a', ' ', '\n', '"', '\\', '{', '[', '=', ':', '/', '-', '_', '.', '@', '%', '&', '<', '\u200b', 'aB3', 'A1b2-'],
  ...['%41', '%25', '=41', '=\n', '&#65;', '\\u0041', '\\\\"', '<b>', 'QUFB', '"a":', '{"a":', 'a\u200b', '\uff41'],
  ...['password=', 'password is ', 'token="', "key='", '://a:b@', 'eyJ.', 'eyJ-', '[secret:', '[secret:password#abcd]'],
  ...[
    '-----BEGIN RSA PRIVATE KEY-----\n',
    '-----END RSA PRIVATE KEY-----\n',
    'kind: Secret\ndata:\n a: b\n',
    'cookie: a=b; ',
  ],
];

const repeat = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);

/** Ordinary chat with a secret now and then, which is known to take linear time: what a fair growth is on this machine. */
const CONTROL = [
  ...Array.from({ length: 12 }, (_, n) => `thanks! I restarted worker ${n} and the queue is draining again.`),
  'the password is Summer2030! as before',
].join('\n');

/** Processor time of this process in milliseconds, which other programs of the machine do not add to. */
function cost(value: unknown, pass: (value: unknown) => unknown): number {
  const before = process.cpuUsage();
  pass(value);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Below this many milliseconds the growth says nothing. */
const FLOOR_MS = 2;

/** Garbage is collected at any time, and looks steep once; what is steep stays so. */
const ATTEMPTS = 6;

/** The long text has so many times the characters of the short one: enough to tell a square from a step. */
const FACTOR = 16;

/**
 * Linear cost is 1, quadratic cost is `FACTOR`. In between is room for a step: where something is found in the long text
 * alone, by chance or because the effort is spent, it is written anew and looked at again at every level of encoding.
 */
const MOST_STEEP = 8;

/**
 * How much longer the long text takes, as a multiple of what the control takes longer. The least of several attempts,
 * ended by the first that is good enough.
 */
function steepness(
  make: (length: number) => unknown,
  short: number,
  { pass = scrub as (value: unknown) => unknown, attempts = ATTEMPTS } = {},
): number {
  const long = FACTOR * short;
  const texts = [make(short), make(long)] as const;
  const controls = [repeat(CONTROL, short), repeat(CONTROL, long)] as const;
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < attempts && least > MOST_STEEP; attempt += 1) {
    const growth = cost(texts[1], pass) / Math.max(FLOOR_MS, cost(texts[0], pass));
    const fair = Math.max(FACTOR, cost(controls[1], scrub) / Math.max(FLOOR_MS, cost(controls[0], scrub)));
    least = Math.min(least, growth / fair);
  }
  return least;
}

describe('the processor time of scrubbing grows with the length of the text, not with its square', () => {
  it('for texts made of what rules look for', () => {
    expect(UNITS.filter((unit) => steepness((length) => repeat(unit, length), 4096) > MOST_STEEP)).toEqual([]);
  });

  it.each(slowTexts(2030, 60))('for $name', ({ make }) => {
    expect(steepness(make, 16_384)).toBeLessThan(MOST_STEEP);
  });

  it.each([
    ['one value, everywhere', (n: number) => ({ a: 'password=aB3dE5gH7j', b: 'aB3dE5gH7j '.repeat(n / 11) })],
    [
      'a value that nearly repeats itself',
      (n: number) => ({ a: `password=1${'aB'.repeat(900)}`, b: 'aB'.repeat(n / 2) }),
    ],
    [
      'values that end alike',
      (n: number) => {
        const values = Array.from({ length: 60 }, (_, i) => `x1${'yZ'.repeat(i + 3)}`);
        return { a: values.map((value) => `password=${value}`), b: `x1${'yZ'.repeat(50)} `.repeat(n / 103) };
      },
    ],
    [
      'ever more values, each in two strings',
      (n: number) => {
        const values = Array.from({ length: n / 64 }, (_, i) => `aB3${(i * 2_654_435_761).toString(36)}xK9`);
        return { a: values.map((value) => `password: ${value}`), b: values.map((value) => `it was ${value}`) };
      },
    ],
    [
      'ever more keys',
      (n: number) => ({
        a: 'password=aB3dE5gH7j',
        b: Object.fromEntries(Array.from({ length: n / 32 }, (_, i) => [`aB3dE5gH7j ${i}`, i])),
      }),
    ],
  ])('for values that a record repeats: %s', (_, make) => {
    expect(steepness(make, 16_384)).toBeLessThan(MOST_STEEP);
  });

  it('and a quadratic pass is noticed', () => {
    const quadratic = (text: unknown): number => {
      const { length } = String(text);
      let sum = 0;
      for (let i = 0; i < length; i += 16) for (let j = 0; j < length; j += 1) sum = (sum + i * j) | 0;
      return sum;
    };
    // The first call runs before the loop is compiled, and costs more than its length explains.
    quadratic(repeat('a', 65_536));
    const seen = steepness((length) => repeat('a', length), 16_384, { pass: quadratic, attempts: 1 });
    expect(seen).toBeGreaterThan(MOST_STEEP);
  });
}, 600_000);
