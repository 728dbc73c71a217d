import { describe, expect, it } from 'vitest';
import { chat } from './corpus/benign/chat.ts';
import { code } from './corpus/benign/code.ts';
import { data } from './corpus/benign/data.ts';
import { more } from './corpus/benign/more.ts';
import { naughtyStrings } from './corpus/benign/naughty.ts';
import { clean, scrub } from './support.ts';

describe('harmless text comes back byte for byte', () => {
  it.each([...chat, ...code, ...data, ...more])('%j', (text) => {
    expect(clean(text)).toBe(text);
  });

  it('also as the values of one event', () => {
    const event = {
      text: chat.join('\n'),
      payload: { lines: code, more, data, deep: JSON.stringify({ chat, lines: code }) },
    };
    expect(scrub(event).findings).toEqual([]);
    expect(scrub(event).value).toBe(event);
  });

  it.each(naughtyStrings)('naughty: %j', (text) => {
    expect(clean(text)).toBe(text);
    expect(scrub({ text, [text]: [text] }).findings).toEqual([]);
  });
});
