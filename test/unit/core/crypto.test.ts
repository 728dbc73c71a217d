import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import type { Crypto } from '../../../src/core/crypto/crypto.ts';
import { webCrypto } from '../../../src/core/crypto/crypto.web.ts';

const drivers: readonly (readonly [string, Crypto])[] = [
  ['Node', nodeCrypto],
  ['web standards', webCrypto],
];

const key = fc.uint8Array({ maxLength: 200 });
const part = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.uint8Array({ maxLength: 3000 }));

describe.each(drivers)('the driver for %s', (_, driver) => {
  describe('HMAC-SHA256', () => {
    test('is what the reference makes of any key and any parts, in each form', () => {
      fc.assert(
        fc.property(key, fc.array(part, { maxLength: 4 }), (secret, parts) => {
          const reference = createHmac('sha256', secret);
          for (const one of parts) reference.update(one);
          const expected = reference.digest();
          expect(Buffer.from(driver.hmacSha256(secret, ...parts))).toEqual(expected);
          expect(driver.hmacHex(secret, ...parts)).toBe(expected.toString('hex'));
        }),
      );
    });

    test.each([0, 63, 64, 65, 65_471, 65_472, 65_536, 65_537, 200_000])('holds for a body of %i bytes', (length) => {
      const secret = new Uint8Array(32).fill(9);
      const body = new Uint8Array(length).fill(0x61);
      const expected = createHmac('sha256', secret).update('v0:1:').update(body).digest('hex');
      expect(driver.hmacHex(secret, 'v0:1:', body)).toBe(expected);
      const text = Buffer.from(body).toString();
      expect(driver.hmacText(secret, text)).toBe(createHmac('sha256', secret).update(text).digest('base64url'));
    });

    test('holds for the test cases of RFC 4231', () => {
      // Cases 1, 2 and 6: a short key, a text key, a key longer than a block.
      const cases = [
        [Buffer.alloc(20, 0x0b), 'Hi There', 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
        [
          Buffer.from('Jefe'),
          'what do ya want for nothing?',
          '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
        ],
        [
          Buffer.alloc(131, 0xaa),
          'Test Using Larger Than Block-Size Key - Hash Key First',
          '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
        ],
      ] as const;
      for (const [secret, text, expected] of cases) expect(driver.hmacHex(secret, text)).toBe(expected);
    });
  });

  test('texts are equal only when every character is, and never when one is too long to compare', () => {
    expect(driver.equalText('abc', 'abc')).toBe(true);
    expect(driver.equalText('abc', 'abd')).toBe(false);
    expect(driver.equalText('abc', 'abcd')).toBe(false);
    expect(driver.equalText('abc\0', 'abc')).toBe(false);
    // After a longer text, nothing of it is left to be compared.
    expect(driver.equalText('f'.repeat(64), '0'.repeat(64))).toBe(false);
    expect(driver.equalText('', '')).toBe(true);
    const long = 'a'.repeat(129);
    expect(driver.equalText(long, long)).toBe(false);
  });

  test('SHA-256 is what the reference makes of any bytes and any text', () => {
    fc.assert(
      fc.property(part, (data) => {
        expect(driver.sha256Hex(data)).toBe(createHash('sha256').update(data).digest('hex'));
      }),
    );
  });

  test('bytes are equal only when every one is', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(driver.equal(bytes, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(driver.equal(bytes, Uint8Array.of(1, 2, 4))).toBe(false);
    expect(driver.equal(bytes, Uint8Array.of(0, 2, 3))).toBe(false);
    expect(driver.equal(bytes, Uint8Array.of(1, 2))).toBe(false);
    expect(driver.equal(new Uint8Array(), new Uint8Array())).toBe(true);
  });

  test('random bytes have the length that was asked for and do not repeat', () => {
    const drawn = Array.from({ length: 1_000 }, () => Buffer.from(driver.random(16)).toString('hex'));
    expect(new Set(drawn).size).toBe(1_000);
    expect(drawn.every((hex) => hex.length === 32)).toBe(true);
  });

  test('what one driver encrypts each of them decrypts, and nothing that was altered', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const text = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes(32), bytes(12), text, text, fc.nat(), (secret, nonce, plaintext, associated, at) => {
        const sealed = driver.encrypt(secret, nonce, plaintext, associated);
        expect(Buffer.from(sealed)).toEqual(Buffer.from(nodeCrypto.encrypt(secret, nonce, plaintext, associated)));
        for (const [, other] of drivers) {
          expect(Buffer.from(other.decrypt(secret, nonce, sealed, associated) ?? [9])).toEqual(Buffer.from(plaintext));
        }
        const altered = Uint8Array.from(sealed, (byte, index) => (index === at % sealed.length ? byte ^ 1 : byte));
        expect(driver.decrypt(secret, nonce, altered, associated)).toBeNull();
        expect(driver.decrypt(secret, nonce, sealed.subarray(0, 15), associated)).toBeNull();
      }),
    );
  });
});
