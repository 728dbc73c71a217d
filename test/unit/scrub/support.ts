import fc from 'fast-check';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { createScrubber } from '../../../src/scrub/scrubber.ts';
import { createRandom } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';

/** Any key will do: the digests only have to be the same for the same secret. */
export const deps = { crypto: nodeCrypto, key: new Uint8Array(32).fill(7) };

export const scrub = createScrubber(deps);

/** The cleaned text of a string. */
export const clean = (text: string): string => scrub(text).value;

/** The rules that found something, in alphabetical order. */
export const rulesIn = (value: unknown): string[] => [...new Set(scrub(value).findings.map(({ rule }) => rule))].sort();

/** A secret of any kind with a form of its own. */
const anyToken = (): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...tokenKinds), fc.nat(1_000_000)).map(([kind, seed]) => kind.make(createRandom(seed)));

const glue = [
  ' ',
  '\n',
  '"',
  "'",
  '`',
  ':',
  '=',
  ': ',
  ' = ',
  '","',
  '":"',
  '{"',
  '"}',
  '[',
  ']',
  ',',
  '<',
  '>',
  '/',
  '\\',
  '\\"',
  '\\n',
];
const words = [
  'password',
  'the password is',
  'token',
  'api_key',
  'key',
  'secret',
  'Authorization: Bearer',
  'Basic',
  'user',
  'login',
  'kind: Secret',
  'data:',
  'Cookie:',
  'https://',
  '@host',
  'value',
  'name',
  '&amp;',
  '%41',
  '=3D',
  '\u200b',
  'é',
  '密码',
  'пароль',
  '-----BEGIN',
  'hello',
  'hunter2',
  'A1b2C3d4E5f6',
  'deadbeef',
  '[secret:password#abcd]',
  '[secret:',
  '#12ab]',
];

/** Text that brings everything together in any order: words that tell, secrets, quotes, escapes, placeholders. */
export const messyText = (): fc.Arbitrary<string> =>
  fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(...words) },
        { weight: 5, arbitrary: fc.constantFrom(...glue) },
        { weight: 2, arbitrary: anyToken() },
        { weight: 2, arbitrary: fc.string({ maxLength: 12 }) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
        { weight: 1, arbitrary: anyToken().map((token) => btoa(`my key is ${token} indeed`)) },
        { weight: 1, arbitrary: anyToken().map((token) => encodeURIComponent(` ${token}`)) },
        { weight: 1, arbitrary: anyToken().map((token) => JSON.stringify({ note: `a ${token} b` })) },
      ),
      { maxLength: 14 },
    )
    .map((pieces) => pieces.join(''));

/** A JSON value with secrets in keys and values. */
export const messyTree = (): fc.Arbitrary<unknown> =>
  fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      messyText(),
      fc.constantFrom(null, true, 0, 12.5, 'plain'),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(
        fc.oneof(fc.constantFrom('password', 'token', '__proto__', 'name', 'value', 'x'), messyText()),
        tie('tree'),
        {
          maxKeys: 4,
        },
      ),
    ),
  })).tree;
