import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cutMarkdown, splitMarkdown } from '../../../src/channels/shared/markdown/split.ts';
import { renderMrkdwn } from '../../../src/channels/slack/reply/render.ts';
import { splitReply } from '../../../src/channels/slack/reply/reply.ts';

const sizeOf = (markdown: string): number => renderMrkdwn(markdown).length;
const split = (text: string, size = 300, messages = 100): readonly string[] =>
  splitMarkdown(text, { size, messages, sizeOf });
const sentence = 'The quick brown fox jumps over the lazy dog. ';

describe('a reply that is too long for one message', () => {
  test('is left alone when it is not', () => {
    expect(split('a **b**\n\n\n c ')).toEqual(['a **b**\n\n\n c ']);
  });

  test('is cut between paragraphs where they fit', () => {
    const paragraphs = Array.from({ length: 12 }, (_, n) => `${n}: ${sentence.repeat(2)}`.trim());
    const messages = split(paragraphs.join('\n\n'));
    expect(messages.length).toBeGreaterThan(3);
    expect(messages.flatMap((message) => message.split('\n\n'))).toEqual(paragraphs);
  });

  test('is else cut after sentences', () => {
    const messages = split(sentence.repeat(30).trim());
    expect(messages.every((message) => message.endsWith('dog.'))).toBe(true);
    expect(messages.join(' ')).toBe(sentence.repeat(30).trim());
  });

  test('has its code go on in a block of its own, line by line', () => {
    const lines = Array.from({ length: 60 }, (_, n) => `  if (a < ${n}) { b(); }`);
    const messages = split(`Look:\n\n\`\`\`ts\n${lines.join('\n')}\n\`\`\`\n\nThat is all.`);
    expect(messages.length).toBeGreaterThan(3);
    const code = messages.map((message) => /```ts\n(.*)\n```/s.exec(message)?.[1]);
    expect(code.flatMap((part) => part?.split('\n') ?? [])).toEqual(lines);
  });

  test.each([
    ['a list', '1. First:\n\n   ```ts\n', '   ', '\n   ```\n2. Second'],
    ['a list in a list', '- a\n  - b\n\n    ```ts\n', '    ', '\n    ```\n- c'],
    ['a quote', '> Look:\n> ```ts\n', '> ', '\n> ```\n> That is all.'],
  ])('has the code in %s go on in a block of its own', (_, before, indent, after) => {
    const lines = Array.from({ length: 60 }, (_, n) => `if (a < ${n}) { b(); }`);
    const messages = split(before + lines.map((line) => indent + line).join('\n') + after);
    expect(messages.length).toBeGreaterThan(3);
    // Whatever is between two fences in Slack's form is code, and nothing else is.
    const parts = messages.map((message) =>
      renderMrkdwn(message)
        .replaceAll(/^(> | {4})+/gm, '')
        .split('```'),
    );
    expect(parts.every(({ length }) => length % 2 === 1)).toBe(true);
    const code = parts
      .flatMap((part) => part.filter((_, at) => at % 2 === 1))
      .flatMap((part) => part.trim().split('\n'));
    expect(code.map((line) => line.replaceAll('&lt;', '<'))).toEqual(lines);
    expect(messages.every((message) => sizeOf(message) <= 300)).toBe(true);
  });

  test('has its table go on under the same heading', () => {
    const messages = split(`| a | b |\n|---|---|\n${'| 1 | 2 |\n'.repeat(80)}`);
    expect(messages.length).toBeGreaterThan(2);
    expect(messages.every((message) => message.startsWith('| a | b |\n|---|---|\n| 1'))).toBe(true);
    expect(messages.join('\n').match(/\| 1 \|/g)).toHaveLength(80);
  });

  test('ends with a note when it is too long for all messages', () => {
    const messages = split(sentence.repeat(100), 300, 3);
    expect(messages).toHaveLength(3);
    expect(messages.map((message) => message.endsWith('[cut: the reply was too long]'))).toEqual([false, false, true]);
    expect(messages.every((message) => sizeOf(message) <= 300)).toBe(true);
  });

  test('is cut into ten messages at most in Slack, and five for a response_url', () => {
    const long = `${'word '.repeat(30_000)}`;
    expect(splitReply(long, 'message')).toHaveLength(10);
    expect(splitReply(long, 'response_url')).toHaveLength(5);
    expect(splitReply(long, 'message').every((message) => sizeOf(message) <= 4_000)).toBe(true);
  });

  test('a mail is one message, cut with a note', () => {
    expect(cutMarkdown('a'.repeat(100), 100)).toHaveLength(100);
    expect(cutMarkdown('a'.repeat(101), 100)).toMatch(/^a{69}\n\n\[cut: the reply was too long\]$/);
  });
});

describe('wherever it is cut', () => {
  const piece = fc.constantFrom(
    '😀',
    '&amp;',
    '&#128512;',
    'a',
    'word ',
    '\n',
    '\n\n',
    '**b**',
    '`c`',
    '&',
    '- x\n',
    '> q\n',
  );
  const text = fc.array(piece, { minLength: 100, maxLength: 600 }).map((pieces) => pieces.join(''));

  test('every message fits, no character and no entity is cut in two, and nothing but blanks is lost', () => {
    fc.assert(
      fc.property(text, (whole) => {
        const messages = split(whole, 120, 1_000);
        for (const message of messages) {
          expect(sizeOf(message)).toBeLessThanOrEqual(120);
          expect(() => encodeURIComponent(message)).not.toThrow();
          expect(message.trim()).not.toBe('');
          expect(message).not.toMatch(/^(amp|#?128512);/);
        }
        const letters = (markdown: string): string => markdown.replaceAll(/[\s>]/g, '');
        expect(letters(messages.join(''))).toBe(letters(whole));
        expect(split(whole, 120, 1_000)).toEqual(messages);
      }),
      { numRuns: 300 },
    );
  });
});
