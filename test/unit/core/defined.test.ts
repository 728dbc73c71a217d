import { expect, test } from 'vitest';
import { defined } from '../../../src/core/defined.ts';

test('members without a value are left out, and all other members stay in their order', () => {
  const members: { a?: number | undefined; b: string | undefined; c: null; d: boolean; e: string } = {
    a: undefined,
    b: undefined,
    c: null,
    d: false,
    e: '',
  };
  expect(Object.entries(defined(members))).toEqual([
    ['c', null],
    ['d', false],
    ['e', ''],
  ]);
  expect(Object.hasOwn({ id: 1, ...defined({ code: undefined }) }, 'code')).toBe(false);
});
