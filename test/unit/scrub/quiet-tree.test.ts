import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { createScrubber } from '../../../src/scrub/scrubber.ts';

const key = new Uint8Array(32).fill(7);
const password = 'hunter2-Xk9!vQ';
const names = ['text', 'name', 'value', 'password', 'kind', 'data', 'env', 'args', 'type', 'token', 'note', 'url'];
const texts = [
  'hello there',
  'Secret',
  'DB_PASSWORD',
  '--password',
  'Authorization',
  password,
  `Bearer ${'ab1'.repeat(12)}`,
  `postgres://app:${password}@db.example/app`,
  '4-eyJldCI6Im1lc3NhZ2UifQ',
  '{"password":"hunter2-Xk9!vQ"}',
  '',
  'a',
];
const tree = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(...texts),
    fc.constantFrom(null, true, 12),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4 }),
  ),
})).value;

/** Has met every name and every text before, so that the short way is taken wherever it may be. */
function experienced() {
  const scrub = createScrubber({ crypto: nodeCrypto, key });
  scrub(Object.fromEntries(names.map((name) => [name, null])));
  for (const text of texts) scrub({ text });
  return scrub;
}

test('what was met before is not looked at less closely', () => {
  const scrub = experienced();
  let met = 0;
  fc.assert(
    fc.property(tree, (value) => {
      met += 1;
      // Under a name that is new the long way is taken.
      const under = `unmet-${met}`;
      const [short, long] = [scrub(value), scrub({ [under]: value })];
      expect(short.value).toEqual(long.value[under]);
      expect(short.findings.length).toBe(long.findings.length);
    }),
    { numRuns: 2_000 },
  );
});

test('names that stand beside their values, above them and before them count for known keys too', () => {
  const scrub = experienced();
  const hidden = (value: unknown) => expect(JSON.stringify(scrub(value).value)).not.toContain(password);
  hidden({ name: 'DB_PASSWORD', value: password });
  hidden({ env: ['--password', password] });
  hidden({ password });
  hidden({ password: [password] });
  hidden({ kind: 'Secret', data: { note: password } });
  hidden({ note: `postgres://app:${password}@db.example/app` });
});

test('what was taken for clean in a flood is not remembered as clean', () => {
  const scrub = experienced();
  const telling = 'the password is correcthorse';
  const again = `For all who asked in the channel before the standup, ${telling}`;
  const flood = Array.from({ length: 70_000 }, (_, i) => `password: no token? secret! password? ${i}`);
  for (const text of [telling, again]) scrub({ text: [...flood, text] });
  for (const text of [telling, again]) expect(JSON.stringify(scrub({ text }).value)).not.toContain('correcthorse');
  scrub({ text: [...flood, again] });
  expect(scrub(again).value).not.toContain('correcthorse');
  // A name that came up in it is looked at again, too.
  scrub({ text: flood, [telling]: 1 });
  expect(JSON.stringify(scrub({ [telling]: 1 }).value)).not.toContain('correcthorse');
});

test('a tree deeper than any payload is looked at to its end', () => {
  const scrub = experienced();
  let deep: unknown = { password };
  for (let i = 0; i < 2_000; i += 1) deep = { note: deep };
  expect(JSON.stringify(scrub(deep).value)).not.toContain(password);
});
