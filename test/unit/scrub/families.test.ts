import { describe, expect, it } from 'vitest';
import { contextRules, shapeRules, tokenRules } from '../../../src/scrub/rules/all.ts';
import { contexts } from './corpus/contexts.ts';
import { moreTokenKinds } from './corpus/more-tokens.ts';
import { ALNUM, base64Of, createRandom, HEX, type Random } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';
import { vendorKinds } from './corpus/vendor-kinds.ts';
import { clean, rulesIn, scrub } from './support.ts';

const kinds = [...tokenKinds, ...moreTokenKinds];
const SAMPLES = 12;

const SENTENCES = [
  '{}',
  'I think the value is {}.',
  'failed ({}) retrying',
  'x="{}"',
  '`{}`',
  'a,{},b',
  'k={}&b=1',
  '*{}*\n',
];

/** Always the first character of the alphabet: what documentation prints. */
const monotone: Random = {
  chars: (alphabet, length) => (alphabet[0] as string).repeat(length),
  int: () => 0,
  pick: (list) => list[0] as (typeof list)[number],
};

/** Their first character repeated is still a key, a password or a signed claim. */
const NEVER_FILLER = new Set(['jwt', 'private-key', 'url-password', 'zhipu-key']);

describe.each(kinds)('$kind', ({ rule, make }) => {
  const random = createRandom(42);
  const tokens = Array.from({ length: SAMPLES }, () => make(random));

  it(`is hidden as ${rule} wherever it stands`, () => {
    for (const token of tokens) {
      for (const sentence of SENTENCES) {
        const text = sentence.replace('{}', () => token);
        expect(clean(text)).not.toContain(token);
        expect(rulesIn(text)).toContain(rule);
      }
    }
  });

  it('reads the same wherever it stands', () => {
    const [token] = tokens as [string];
    const { value } = scrub([`first ${token}`, `again ${token} here`]);
    const [first, second] = (value as string[]).map((text) => /\[secret:[^\]]+\]/.exec(text)?.[0]);
    expect(first).toBeDefined();
    expect(second).toBe(first);
  });

  const ownForm = NEVER_FILLER.has(rule) ? [] : [make(monotone)];
  it.each(ownForm)('is left alone where documentation shows its form', (filler) => {
    expect(clean(`use ${filler} here`)).toBe(`use ${filler} here`);
  });

  it('is left alone when nothing but its beginning is there', () => {
    const beginning = (tokens[0] as string).slice(0, 4);
    expect(clean(`it begins with ${beginning} and goes on`)).toBe(`it begins with ${beginning} and goes on`);
  });
});

it('every rule has a sample that it hides', () => {
  const random = createRandom(3);
  const key = random.chars(ALNUM, 24);
  const extra = [
    `X-Amz-Signature=${random.chars(HEX, 64)}`,
    `X-Goog-Signature=${random.chars(HEX, 256)}`,
    `"private_key_id": "${random.chars(HEX, 40)}"`,
    `SharedAccessKey=${random.chars(ALNUM, 43)}=`,
    `https://a.blob.core.windows.net/c?sv=2022&sig=${random.chars(ALNUM, 40)}%3D`,
    `bob:11${random.chars(HEX, 32)} for jenkins`,
    `BUNDLE_GEMS__CONTRIBSYS__COM: ${random.chars(HEX, 8)}:${random.chars(HEX, 8)}`,
    `"secret_key" => "sk_${random.chars(ALNUM, 29)}"`,
    `Authorization: SSWS 00${random.chars(ALNUM, 40)}`,
    `Authorization: Bearer ${key}`,
    `PrivateKey = ${random.chars(ALNUM, 43)}=`,
    `curl -u ab:${key} https://example.com`,
    `define('AUTH_KEY', '${random.chars(`${ALNUM}!@#%^&*`, 64)}');`,
    `mnemonic: ${Array.from({ length: 12 }, () => random.pick(['abandon', 'ability', 'legal', 'winner', 'thank', 'zebra'])).join(' ')}`,
    `root:$6$${random.chars(ALNUM, 8)}$${random.chars(ALNUM, 86)}:18000:0`,
    `${['AK', 'IA'].join('')}${random.chars('ABCDEFGHIJKLMNOP234567', 16)} and ${random.chars(ALNUM, 30)}aZ4`,
    `Cookie: whatever=${key}`,
    `${random.chars(ALNUM, 30)} and more text`,
    ...contexts.map((template) =>
      template
        .replace('{p}', `hunter${2}x`)
        .replace('{k}', key)
        .replace('{b}', base64Of(`a:${key}`)),
    ),
    ...kinds.map(({ make }) => make(random)),
    `Authorization: Digest username="bob", response="${random.chars(HEX, 32)}"`,
    `https://example.com/invite/${random.chars(ALNUM, 32)}`,
    `backup codes: a1b2c3d4 e5f6g7h8`,
    ...vendorKinds.flatMap(({ make, places }) => places.map((place) => place.replace('{}', () => make(random)))),
  ];
  const found = new Set(extra.flatMap(rulesIn));
  const names = [...tokenRules, ...shapeRules]
    .map(({ name }) => name)
    .concat(contextRules.flatMap((rule) => rule.names));
  expect([...new Set(names)].filter((name) => !found.has(name))).toEqual([]);
});
