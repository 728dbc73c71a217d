import { describe, expect, it } from 'vitest';
import { createRandom } from './corpus/random.ts';
import { vendorKinds } from './corpus/vendor-kinds.ts';
import { clean } from './support.ts';

const SAMPLES = 5;

describe('secrets of some 140 kinds where people put them', () => {
  const random = createRandom(9);
  const cases = vendorKinds.flatMap(({ kind, make, places }) =>
    places.flatMap((place) =>
      Array.from({ length: SAMPLES }, () => {
        const secret = make(random);
        return { kind, place, secret, text: place.replace('{}', () => secret) };
      }),
    ),
  );

  it('are hidden in at least 96 of 100 places', () => {
    const shown = cases.filter(({ text, secret }) => clean(text).includes(secret));
    expect(cases.length).toBeGreaterThan(1500);
    expect(shown.length / cases.length).toBeLessThanOrEqual(0.04);
  });

  it('are hidden in as many when the text stands in JSON, in a list of a mail, or in a code block', () => {
    const carriers = [
      (text: string) => JSON.stringify({ body: `FYI\n${text}\n` }),
      (text: string) => `Hi all,\n\n  1. ${text}\n\nbye`,
      (text: string) => `\`\`\`\n${text}\n\`\`\``,
    ];
    const carried = cases.flatMap(({ text, secret }) => carriers.map((carry) => ({ secret, text: carry(text) })));
    const shown = carried.filter(
      ({ text, secret }) => clean(text).includes(JSON.stringify(secret).slice(1, -1)) || clean(text).includes(secret),
    );
    expect(shown.length / carried.length).toBeLessThanOrEqual(0.04);
  });
});
