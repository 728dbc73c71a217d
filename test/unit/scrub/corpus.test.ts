import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { samples } from '../../support/needs.ts';
import { benign, contexts, naughty } from './corpus/contexts.ts';
import { moreTokenKinds } from './corpus/more-tokens.ts';
import { ALNUM, base64Of, createRandom, HEX } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';
import { clean, scrub } from './support.ts';

interface Case {
  readonly text: string;
  readonly secret: string;
}

/** How messages, logs and code carry a token. */
const CARRIERS = [
  'hey <@U024BE7LH> can you rotate {} before friday? it was in #ops-alerts',
  'GET /v1/things?debug=1&k={} HTTP/1.1 -> 403',
  'Steps:\n```sh\ncurl -s -H "X-Thing: {}" https://api.example.com/\n```\n',
  '{"level":"error","req":{"headers":{"x-debug":"{}"}},"err":{"stack":"Error: bad {}\\n    at call"}}',
  'failed ({}) retrying',
  'I think the value is {}.',
  'someToken := `{}`',
  '{}',
];

const random = createRandom(20_260);

const tokenCases: readonly Case[] = [...tokenKinds, ...moreTokenKinds].flatMap(({ make }) =>
  CARRIERS.map((carrier) => {
    const secret = make(random);
    return {
      text: carrier.replaceAll('{}', () => JSON.stringify(secret).slice(1, -1)),
      secret: JSON.stringify(secret).slice(1, -1),
    };
  }),
);

/** Passwords as people choose them, and keys as machines make them. */
const contextCases: readonly Case[] = contexts.flatMap((template) =>
  ['hunter2', 'Summer2024!', 'P@ssw0rd', 'x7kQ9', 'tr0ub4dor&3'].map((password) => {
    const key = random.chars(ALNUM, 24);
    const fillers: Record<string, string> = {
      p: password,
      k: key,
      h: random.chars(HEX, 32),
      b: base64Of(`bob:${key}`),
    };
    const slot = /\{([pkhb])\}/.exec(template)?.[1] ?? '';
    const secret = slot === '' ? 'a secret of its own' : (fillers[slot] as string);
    return { text: template.replace(/\{[pkhb]\}/, () => secret), secret };
  }),
);

const missed = (cases: readonly Case[]): Case[] => cases.filter(({ text, secret }) => clean(text).includes(secret));
const recall = (cases: readonly Case[]): number => 1 - missed(cases).length / cases.length;

describe('on our own labelled corpus', () => {
  it('at least 99.5 % of the tokens with a form of their own are hidden', () => {
    expect(recall(tokenCases)).toBeGreaterThanOrEqual(0.995);
  });

  it('at least 97 % of what only its neighbours give away is hidden', () => {
    expect(recall(contextCases)).toBeGreaterThanOrEqual(0.97);
  });

  it.each(benign)('harmless text stays as it is: %j', (text) => {
    expect(clean(text)).toBe(text);
  });

  it.each(naughty)('a naughty string stays as it is: %j', (text) => {
    expect(clean(text)).toBe(text);
    expect(scrub({ text, [text]: [text] }).findings).toEqual([]);
  });
});

const labelled = samples('corpora/secrets-dev.json.gz');

labelled.describe('on the collected labelled samples', () => {
  interface Labelled extends Case {
    readonly tier: string;
    readonly expected: boolean;
  }
  const packed = labelled.bytes();
  const cases =
    packed === null ? [] : (JSON.parse(gunzipSync(packed).toString('utf8')) as { cases: readonly Labelled[] }).cases;
  const tier = (name: string): Labelled[] => cases.filter((one) => one.tier === name && one.expected);

  it.each([
    ['A', 0.99],
    ['A-hard', 0.95],
    ['B', 0.9],
    ['C', 0.9],
  ])('tier %s is recalled to at least %d', (name, least) => {
    expect(tier(name).length).toBeGreaterThan(20);
    expect(recall(tier(name))).toBeGreaterThanOrEqual(least);
  });

  it('at least 99.5 % of the harmless texts come back byte for byte', () => {
    const harmless = cases.filter((one) => one.tier === 'benign');
    const changed = harmless.filter(({ text }) => clean(text) !== text);
    expect(changed.length / harmless.length).toBeLessThanOrEqual(0.005);
  });
});
