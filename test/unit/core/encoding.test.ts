import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64, toBase64Url } from '../../../src/core/crypto/encoding.ts';

test('what was encoded is decoded, in both alphabets, padded or not', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64');
      expect(fromBase64(text)).toEqual(bytes);
      expect(fromBase64(text.replaceAll('=', ''))).toEqual(bytes);
      expect(fromBase64(toBase64Url(bytes))).toEqual(bytes);
    }),
  );
});

test.each(['A', 'AAAAA', 'AA A', 'A\u0141AA', 'AA=A', 'AA\nA', '%41AA', '=A'])('%j is no base64', (text) => {
  expect(fromBase64(text)).toBeNull();
});

test('nothing is nothing', () => {
  expect(fromBase64('')).toEqual(new Uint8Array());
  expect(fromBase64('==')).toEqual(new Uint8Array());
});
