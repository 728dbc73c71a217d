import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderMailHtml } from '../../../src/channels/shared/markdown/html.ts';
import { readMarkdown } from '../../../src/channels/shared/markdown/read.ts';
import { renderMrkdwn } from '../../../src/channels/slack/reply/render.ts';
import { renderTeams } from '../../../src/channels/teams/reply/render.ts';

const renderTeamsMarkdown = (markdown: string): string => renderTeams(readMarkdown(markdown));

const ticks = '```';

/** Each with what Slack, Teams and a mail make of it. A mail without a form is plain text: null. */
const samples: readonly (readonly [
  title: string,
  markdown: string,
  slack: string,
  teams: string,
  html: string | null,
])[] = [
  ['strong', 'a **b** c', 'a *b* c', 'a **b** c', '<p>a <strong>b</strong> c</p>'],
  ['emphasis', '*a* and _b_', '_a_ and _b_', '*a* and *b*', '<p><em>a</em> and <em>b</em></p>'],
  ['both at once', '***a***', '_*a*_', '***a***', '<p><em><strong>a</strong></em></p>'],
  ['strikethrough', '~~a~~', '~a~', '~~a~~', '<p><s>a</s></p>'],
  ['a style over two lines', '**a\nb**', '*a*\n*b*', '**a  \nb**', '<p><strong>a<br>\nb</strong></p>'],
  ['code in a line', '`a < b`', '`a &lt; b`', '`a &lt; b`', '<p><code>a &lt; b</code></p>'],
  ['code with a backtick', '`` a`b ``', 'a`b', '``a`b``', '<p><code>a`b</code></p>'],
  [
    'a block of code',
    `${ticks}js\nif (a < b) {\n  c();\n}\n${ticks}`,
    `${ticks}\nif (a &lt; b) {\n  c();\n}\n${ticks}`,
    `${ticks}js\nif (a &lt; b) {\n  c();\n}\n${ticks}`,
    '<pre><code>if (a &lt; b) {\n  c();\n}</code></pre>',
  ],
  ['a heading', '## A **b**', '*A b*', '## A **b**', '<h2>A <strong>b</strong></h2>'],
  ['a deep heading', '##### A', '*A*', '### A', '<h5>A</h5>'],
  ['a list', 'x:\n- a\n- b', 'x:\n• a\n• b', 'x:\n- a\n- b', '<p>x:</p>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>'],
  ['a counted list', '3) a\n4) b', '3) a\n4) b', '3) a\n4) b', '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'],
  ['a list in a list', '- a\n  - b', '• a\n    • b', '- a\n  - b', '<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul></li>\n</ul>'],
  [
    'a list with room between',
    '1. a\n\n2. b',
    '1. a\n\n2. b',
    '1. a\n\n2. b',
    '<ol start="1">\n<li>a</li>\n<li>b</li>\n</ol>',
  ],
  ['tasks', '- [x] a\n- [ ] b', '• ☑ a\n• ☐ b', '- ☑ a\n- ☐ b', '<ul>\n<li>☑ a</li>\n<li>☐ b</li>\n</ul>'],
  ['a quote', '> a\n> b', '> a\n> b', '> a  \n> b', '<blockquote><p>a<br>\nb</p></blockquote>'],
  ['a rule', 'a\n\n---\n\nb', 'a\n\n──────────\n\nb', 'a\n\n---\n\nb', '<p>a</p>\n<hr>\n<p>b</p>'],
  [
    'a link',
    '[a <b> | c](https://x.example/?a=1&b=2)',
    '<https://x.example/?a=1&amp;b=2|a &lt;b&gt; | c>',
    '[a &lt;b> | c](https://x.example/?a=1&b=2)',
    '<p><a href="https://x.example/?a=1&amp;b=2">a &lt;b&gt; | c</a></p>',
  ],
  [
    'a link in brackets',
    '<https://x.example>',
    '<https://x.example>',
    '[https://x.example](https://x.example)',
    '<p><a href="https://x.example">https://x.example</a></p>',
  ],
  [
    'a link that ends its own form',
    '[a](https://x.example/<!channel>)',
    '<https://x.example/%3C!channel%3E|a>',
    '[a](https://x.example/%3C!channel%3E)',
    '<p><a href="https://x.example/%3C!channel%3E">a</a></p>',
  ],
  ['a script as a link', '[a](javascript:alert(1))', '[a](javascript:alert(1))', '[a](javascript:alert(1))', null],
  [
    'a picture',
    '![a](https://x.example/p.png)',
    '<https://x.example/p.png|a>',
    '[a](https://x.example/p.png)',
    '<p><a href="https://x.example/p.png">a</a></p>',
  ],
  ['an escaped sign', '\\*a\\*', '*a*', '\\*a\\*', '<p>*a*</p>'],
];

describe('what an agent writes in Markdown', () => {
  test.each(samples)('%s', (_, markdown, slack, teams, html) => {
    expect(renderMrkdwn(markdown)).toBe(slack);
    expect(renderTeamsMarkdown(markdown)).toBe(teams);
    expect(renderMailHtml(markdown) ?? null).toBe(html);
  });

  test('a table has columns of one width in chats, and borders in a mail', () => {
    const table = '| name | n |\n|---|---|\n| **a** | 10 |';
    expect(renderMrkdwn(table)).toBe(`${ticks}\nname | n\n-----|----\na    | 10\n${ticks}`);
    expect(renderTeamsMarkdown(table)).toBe(`${ticks}\nname | n\n-----|----\na    | 10\n${ticks}`);
    expect(renderMailHtml(table)).toMatch(/<th [^>]+>name<\/th>.*<td [^>]+><strong>a<\/strong><\/td>/s);
  });

  test('code in which Slack would see its end stays in its block', () => {
    const rendered = renderMrkdwn(`~~~\na ${ticks} b\n~~~`);
    expect(rendered.match(/```/g)).toHaveLength(2);
  });
});

describe('what is no Markdown', () => {
  test.each([
    'hello',
    'echo: hello',
    'snake_case_name and __init__.py? no: file_a_b.txt',
    '2 * 3 * 4 = 24',
    'see https://x.example/a_b_c?d=e_f, or write to me@x.example',
    'C:\\dir\\file and ~/notes',
    'one\ntwo\n\nthree',
    'a) first, b) second',
    '50% of $10 #topic @name',
    '`unfinished and **unfinished',
    'こんにちは 👩‍👩‍👧',
  ])('%j stays as it is', (text) => {
    const unstyled = text.replace('__init__', 'init');
    expect(renderMrkdwn(unstyled)).toBe(unstyled);
    expect(renderTeamsMarkdown(unstyled).replaceAll('  \n', '\n')).toBe(unstyled);
    expect(renderMailHtml(unstyled)).toBeUndefined();
  });

  test('signs that mean something to a channel are escaped', () => {
    expect(renderMrkdwn('a < b & c > d &lt; e')).toBe('a &lt; b &amp; c &gt; d &lt; e');
    expect(renderTeamsMarkdown('a <b>c</b> & <at>d</at> &lt; e')).toBe('a &lt;b>c&lt;/b> & &lt;at>d&lt;/at> &lt; e');
  });
});

/** Texts made of what means something to anybody on the way. */
const nasty = fc
  .array(
    fc.constantFrom(
      ...['<!channel>', '<!here|x>', '<@U1>', '<#C1>', '<', '>', '&', '&lt;', '&#60;', '&#x3c;!channel>', '@here'],
      ...['**', '*', '_', '~~', '`', ticks, '[', ']', '(', ')', '!', '|', '\\', '\n', '\n\n', '- ', '1. ', '# ', '> '],
      ...['https://x.example/', 'javascript:x', 'mailto:a@b.example', '<script>', '<img src=x onerror=y>', '"', "'"],
      ...['a', ' ', '<at>a</at>', '[a]: https://x.example', '|-|\n', '😀', '\u0000', '\u200b'],
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(''));

describe('whatever an agent writes', () => {
  test('Slack sees no mention and no link but to the web and to mail', () => {
    fc.assert(
      fc.property(nasty, (text) => {
        for (const [, inside] of renderMrkdwn(text).matchAll(/<([^>]*)/g)) {
          expect(inside).toMatch(/^(https?:\/\/|mailto:)[^\s<]*/i);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test('Teams sees no tag', () => {
    fc.assert(
      fc.property(nasty, (text) => !renderTeamsMarkdown(text).includes('<')),
      { numRuns: 3_000 },
    );
  });

  test('a mail holds our tags only, and nothing that is fetched or run', () => {
    const known = /^<(\/?(p|h[1-6]|pre|code|blockquote|ul|ol|li|table|tr|th|td|strong|em|s)|br|hr)$/;
    fc.assert(
      fc.property(nasty, (text) => {
        for (const [tag] of (renderMailHtml(text) ?? '').matchAll(/<[^>]*>/g)) {
          const [name = '', ...attributes] = tag.slice(0, -1).split(' ');
          if (name === '<a') expect(tag).toMatch(/^<a href="(https?:\/\/|mailto:)[^"<>\s]*">$/i);
          else if (name !== '</a') expect(name).toMatch(known);
          expect(attributes.join(' ')).not.toMatch(/\bsrc=|\bon\w+=/i);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test.each([
    ['quotes in quotes', '> '.repeat(50_000)],
    ['signs without end', '**a'.repeat(30_000)],
    ['brackets', '['.repeat(60_000)],
    ['a million characters', 'a *b* '.repeat(170_000)],
  ])('%s: it is read, or taken as it is', (_, text) => {
    expect(renderMrkdwn(text).length).toBeGreaterThan(0);
  });
});
