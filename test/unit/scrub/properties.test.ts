import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLogScrubber, createVouch } from '../../../src/scrub/log-scrub.ts';
import { createRandom } from './corpus/random.ts';
import { tokenKinds } from './corpus/tokens.ts';
import { clean, messyText, messyTree, scrub } from './support.ts';

const RUNS = Number(process.env.FC_RUNS ?? 400);

/** The structure without the texts: containers, their sizes, and the types of what they hold. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value === 'object' && value !== null) return Object.values(value).map(shapeOf);
  return typeof value === 'string' ? 'string' : value;
}

describe('scrubbing', () => {
  it('twice is the same as once, for texts', () => {
    fc.assert(
      fc.property(messyText(), (text) => {
        const once = clean(text);
        expect(clean(once)).toBe(once);
      }),
      { numRuns: RUNS },
    );
  });

  it('twice is the same as once, for trees', () => {
    fc.assert(
      fc.property(messyTree(), (tree) => {
        const once = scrub(tree).value;
        expect(scrub(once)).toEqual({ value: once, findings: [] });
      }),
      { numRuns: RUNS },
    );
  });

  it('returns the very same reference exactly when nothing was found', () => {
    fc.assert(
      fc.property(messyTree(), (tree) => {
        const { value, findings } = scrub(tree);
        expect(Object.is(value, tree)).toBe(findings.length === 0);
      }),
      { numRuns: RUNS },
    );
  });

  it('keeps the shape of a tree', () => {
    fc.assert(
      fc.property(messyTree(), (tree) => {
        expect(shapeOf(scrub(tree).value)).toEqual(shapeOf(tree));
      }),
      { numRuns: RUNS },
    );
  });

  it('keeps valid JSON valid and of the same shape, compact or spaced, and inside another string', () => {
    fc.assert(
      fc.property(messyTree(), fc.constantFrom(undefined, 2, '\t'), (tree, space) => {
        const text = JSON.stringify([tree], null, space);
        expect(shapeOf(JSON.parse(clean(text)))).toEqual(shapeOf(JSON.parse(text)));
        const inner = (scrub({ text }).value as { text: string }).text;
        expect(shapeOf(JSON.parse(inner))).toEqual(shapeOf(JSON.parse(text)));
      }),
      { numRuns: RUNS },
    );
  });

  it('vouches for no line that the last pass would change', () => {
    const vouch = createVouch(scrub);
    const scrubLine = createLogScrubber(scrub);
    let vouched = 0;
    const check = (fields: Record<string, string>): void => {
      if (!vouch(fields, 'stage.ended')) return;
      vouched += 1;
      const line = JSON.stringify({ level: 30, ...fields, msg: 'stage.ended' });
      expect(scrubLine(line)).toBe(line);
    };
    const words = fc.dictionary(fc.string({ maxLength: 12 }), fc.oneof(fc.string({ maxLength: 40 }), messyText()));
    fc.assert(fc.property(words, check), { numRuns: RUNS });
    for (const { make } of tokenKinds) {
      const secret = make(createRandom(5));
      for (const text of [secret, `${secret} as said`, `it is ${secret}`]) check({ text });
      check({ [secret]: 'x' });
    }
    // It would prove nothing if it vouched for none.
    expect(vouched).toBeGreaterThan(20);
  });

  it('keeps a log line valid JSON and one line, whatever it holds', () => {
    const scrubLine = createLogScrubber(scrub);
    fc.assert(
      fc.property(messyTree(), (tree) => {
        const line = scrubLine(`${JSON.stringify({ level: 30, fields: tree })}\n`);
        expect(line.endsWith('\n')).toBe(true);
        expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
        expect(shapeOf(JSON.parse(line))).toEqual(shapeOf({ level: 30, fields: tree }));
      }),
      { numRuns: RUNS },
    );
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(typeof clean(text)).toBe('string');
      }),
      { numRuns: RUNS },
    );
  });
});
