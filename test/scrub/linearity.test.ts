import { describe, expect, it } from 'vitest';
import { contextRules, tokenRules } from '../../src/scrub/rules/all.ts';
import { clean } from './support.ts';

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

/** Characters of the small and the large text: 16 times as much. */
const SMALL = 4096;
const LARGE = 16 * SMALL;

const repeat = (unit: string, length: number): string => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);

/** Milliseconds. */
function cost(text: string): number {
  const started = performance.now();
  clean(text);
  return performance.now() - started;
}

/**
 * Sixteen times the text may take 160 times as long, ten times what linear cost predicts; the square would be 256
 * times. Below the floor the clock is all that is measured.
 */
const MOST_GROWTH = 160;
const FLOOR_MS = 0.5;

/** A pause of the machine looks steep once; what is steep stays so. */
const ATTEMPTS = 4;

function isSteep(unit: string): boolean {
  const small = repeat(unit, SMALL);
  const large = repeat(unit, LARGE);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const least = Math.max(FLOOR_MS, cost(small));
    if (cost(large) <= MOST_GROWTH * least) return false;
  }
  return true;
}

describe('the cost of scrubbing', () => {
  it('grows with the length of the text, not with its square, for texts made of what rules look for', () => {
    expect(UNITS.find(isSteep)).toBeUndefined();
  });
}, 600_000);
