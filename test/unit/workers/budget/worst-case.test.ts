import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inputTokensAtMost } from '../../../../src/workers/budget/run-budget.ts';

const bytes = (text: string): number => new TextEncoder().encode(text).length;

/** Scripts in which "four characters a token" is far too few. */
const scripts: Readonly<Record<string, string>> = {
  thai: 'สวัสดีครับ ผมอยากทราบยอดคงเหลือ',
  chinese: '请把这个季度的报告发给我',
  japanese: 'こんにちは、四半期報告をください',
  korean: '분기 보고서를 보내 주세요',
  hindi: 'नमस्ते, कृपया तिमाही रिपोर्ट भेजें',
  emoji: '👩‍👩‍👧‍👦🏳️‍🌈🧑🏽‍🚀',
  combining: 'Z̷̧̢͈͍͔͓̘̙̗̩̠̪̟̻͚̓a̸̡l̶̨g̵o̸',
  ligature: '﷽ﷺ',
};

/** Without what is added for every call. */
const counted = (text: string): number => inputTokensAtMost(text) - inputTokensAtMost('');

describe('the most tokens a text can be', () => {
  test.each(Object.entries(scripts))('is at least one for every byte: %s', (_, text) => {
    expect(counted(text)).toBeGreaterThanOrEqual(bytes(text));
    expect(counted(text)).toBeGreaterThanOrEqual(bytes(text.normalize('NFKC')));
  });

  test('leaves room for what a vendor adds unseen', () => {
    expect(inputTokensAtMost('')).toBeGreaterThan(804);
  });

  test('holds for any text, also one that a tokenizer normalises first', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
        for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD'] as const) {
          expect(counted(text)).toBeGreaterThanOrEqual(bytes(text.normalize(form)));
        }
      }),
    );
  });
});
