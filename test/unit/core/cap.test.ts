import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CUT, capRecord, capText, cutBetweenWords } from '../../../src/core/text/cap.ts';

const limits = { textChars: 100, recordChars: 1_000 };

test('a record that fits comes back as it is, the very same', () => {
  const record = { text: 'x'.repeat(100), list: [1, null, true, { a: 'b' }] };
  expect(capRecord(record, limits)).toBe(record);
});

test('whatever a record holds, it comes back small, and what was cut says so', () => {
  const trees = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.integer(),
      fc.array(tie('tree'), { maxLength: 12 }),
      fc.dictionary(fc.string({ maxLength: 60 }), tie('tree'), { maxKeys: 12 }),
    ),
  })).tree;
  fc.assert(
    fc.property(trees, (tree) => {
      const capped = capRecord(tree, limits);
      // Each value may take a few signs of JSON, and its last text a note.
      expect(JSON.stringify(capped).length).toBeLessThan(12 * limits.recordChars);
      if (capped !== tree) expect(JSON.stringify(capped)).toMatch(/\[cut(?:: the whole text has \d+ characters)?\]/);
    }),
    { numRuns: 300, endOnFailure: true },
  );
});

test('a tree deeper than the stack is cut', () => {
  let deep: unknown = 'bottom';
  for (let i = 0; i < 100_000; i += 1) deep = [deep];
  expect(JSON.stringify(capRecord(deep, limits))).toContain(CUT);
  expect(JSON.stringify(capRecord(deep, limits))).not.toContain('bottom');
});

test('a text is cut between words, so that no part of one is left', () => {
  expect(cutBetweenWords('one two three', 9)).toBe('one two ');
  expect(cutBetweenWords('one two three', 7)).toBe('one two');
  expect(cutBetweenWords('one', 3)).toBe('one');
  expect(capText('one two three', 9)).toBe('one two \n[cut: the whole text has 13 characters]');
  expect(cutBetweenWords(`a ${'x'.repeat(10_000)}`, 9_000)).toHaveLength(9_000 - 4_096);
  expect(cutBetweenWords('é'.repeat(20), 9)).toHaveLength(9);
  expect(cutBetweenWords('\u{1f600}'.repeat(20), 9)).toBe('\u{1f600}'.repeat(4));
});
