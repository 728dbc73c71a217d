import { characterEntities } from 'character-entities';
import { decodeHTMLStrict } from 'entities';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { referencesModule } from '../../../scripts/edge-plugins.js';

const edge: { decodeHTMLStrict: (reference: string) => string } = await import(
  `data:text/javascript,${encodeURIComponent(referencesModule())}`
);

test('at the edge every named reference stands for what it stands for on Node', () => {
  const names = Object.keys(characterEntities);
  expect(names.length).toBeGreaterThan(2_100);
  const different = names.filter((name) => edge.decodeHTMLStrict(`&${name};`) !== decodeHTMLStrict(`&${name};`));
  expect(different).toEqual([]);
});

test('what is not a reference stays as it is on both', () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9]{1,30}$/);
  fc.assert(
    fc.property(name, (one) => {
      expect(edge.decodeHTMLStrict(`&${one};`)).toBe(decodeHTMLStrict(`&${one};`));
    }),
  );
  for (const one of ['constructor', 'toString', '__proto__', 'amp;x']) {
    expect(edge.decodeHTMLStrict(`&${one};`)).toBe(`&${one};`);
  }
});
