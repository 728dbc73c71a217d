import { expect, it } from 'vitest';
import { ALNUM, createRandom, DIGITS, HEX } from './corpus/random.ts';
import { situations } from './corpus/situations.ts';
import { clean } from './support.ts';

const PASSWORDS = ['hunter2', 'Summer2024!', 'P@ssw0rd', 'x7kQ9vT2', 'tr0ub4dor&3', 'Blue$ky42', 'Zq8!mK#2pL'];
const WORDS = 'abandon ability legal winner thank zebra orbit crystal puzzle silent garden mirror velvet tunnel'.split(
  ' ',
);
const CODE = 'abcdefghjkmnpqrstuvwxyz23456789';
const SLOT = /\{([pkhocwm])\}/;

it('secrets in some 200 situations are hidden in at least 93 of 100', () => {
  const random = createRandom(4);
  const words = (count: number): string => Array.from({ length: count }, () => random.pick(WORDS)).join(' ');
  const cases = situations.flatMap((situation) =>
    PASSWORDS.map((password, i) => {
      const fillers: Readonly<Record<string, string>> = {
        p: password,
        k: random.chars(ALNUM, 24 + i),
        h: random.chars(HEX, 32),
        o: `1${random.chars(DIGITS, 5)}`,
        c: random.chars(CODE, 8),
        w: words(4),
        m: words(12),
      };
      const secret = fillers[SLOT.exec(situation)?.[1] ?? ''] ?? '';
      return { secret, text: situation.replace(new RegExp(SLOT, 'g'), (_, slot: string) => fillers[slot] ?? '') };
    }),
  );
  const shown = cases.filter(({ text, secret }) => clean(text).includes(secret));
  expect(cases.length).toBeGreaterThan(1300);
  expect(shown.length / cases.length).toBeLessThanOrEqual(0.07);
});
