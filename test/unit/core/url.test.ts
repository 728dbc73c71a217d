import { expect, it } from 'vitest';
import { checkUrl } from '../../../src/net/guard/check-url.ts';

it('a host name in Latin-1 is read in the ten-thousandth call as in the first', () => {
  const policy = { ports: [443], allow: [] };
  const verdicts = Array.from({ length: 10_000 }, () => checkUrl('https://größe.example/', policy).ok);
  expect(verdicts.indexOf(false)).toBe(-1);
});
