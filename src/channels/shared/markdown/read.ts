import { Lexer, type Token, type Tokens } from 'marked';
import { trimEndOf } from '../../../core/text/cap.ts';
import { decodeReferences } from '../../../core/text/html.ts';
import { type Block, type BlockContent, type Inline, type ListItem, textOf } from './tree.ts';

/** Longer texts are taken as they are: no person writes them, and reading them would hold up everybody else. */
const MAX_CHARS = 200_000;

/** Lines left empty between two blocks, at most; more of them say nothing more. */
const MAX_GAP = 3;

/** Reads Markdown (CommonMark with GitHub's tables, tasks and strikethrough). What cannot be read is plain text. */
export function readMarkdown(text: string): readonly Block[] {
  if (text.length > MAX_CHARS) return [plain(text)];
  try {
    const blocks = readBlocks(tokensOf(text));
    // Definitions of links alone show nothing.
    return blocks.length > 0 ? blocks : [plain(text)];
  } catch {
    // Quotes in quotes in quotes, deeper than the stack.
    return [plain(text)];
  }
}

/** What a paragraph may be long, and hold of signs that may be markup, to be read: the lexer's time grows with their square. */
const MAX_INLINE_CHARS = 20_000;
const MAX_INLINE_SIGNS = 1_000;

function tokensOf(text: string): Token[] {
  const lexer = new Lexer({ gfm: true, async: false });
  lexer.blockTokens(text.replaceAll(/\r\n?/g, '\n'), lexer.tokens);
  for (const { src, tokens } of lexer.inlineQueue) {
    const isTooMuch = src.length > MAX_INLINE_CHARS || (src.match(/[*_~[\]`<]/g)?.length ?? 0) > MAX_INLINE_SIGNS;
    if (isTooMuch) tokens.push({ type: 'text', raw: src, text: src });
    else lexer.inlineTokens(src, tokens);
  }
  return lexer.tokens;
}

const plain = (text: string): Block => ({ kind: 'paragraph', children: [{ kind: 'text', text }], raw: text, gap: 1 });

function readBlocks(tokens: readonly Token[]): Block[] {
  const blocks: Block[] = [];
  let breaks = 0;
  for (const token of tokens) {
    const content = token.type === 'space' ? undefined : readBlock(token as Known);
    if (content !== undefined) {
      const gap = Math.min(MAX_GAP, Math.max(1, breaks));
      blocks.push({ ...content, raw: trimEndOf(token.raw, '\n'), gap });
      breaks = 0;
    }
    breaks += token.raw.length - trimEndOf(token.raw, '\n').length;
  }
  return blocks;
}

type Known =
  | Tokens.Paragraph
  | Tokens.Text
  | Tokens.Heading
  | Tokens.Code
  | Tokens.Blockquote
  | Tokens.List
  | Tokens.Table
  | Tokens.Hr
  | Tokens.HTML
  | Tokens.Def
  | Tokens.Checkbox;

function readBlock(token: Known): BlockContent | undefined {
  switch (token.type) {
    case 'heading':
      return { kind: 'heading', level: token.depth, children: readInlines(token.tokens) };
    case 'code':
      return {
        kind: 'code',
        language: /^[\w+#.-]{1,30}/.exec(token.lang ?? '')?.[0] ?? '',
        text: trimEndOf(token.text, '\n'),
      };
    case 'blockquote':
      return { kind: 'quote', blocks: readBlocks(token.tokens) };
    case 'list':
      return readList(token);
    case 'table':
      return {
        kind: 'table',
        rows: [token.header, ...token.rows].map((row) => row.map((cell) => readInlines(cell.tokens))),
      };
    case 'hr':
      return { kind: 'rule' };
    case 'def':
    case 'checkbox':
      return undefined;
    case 'html':
      return { kind: 'paragraph', children: [{ kind: 'text', text: trimEndOf(token.raw, '\n') }] };
    default: {
      const { tokens, text } = token;
      return { kind: 'paragraph', children: tokens === undefined ? [{ kind: 'text', text }] : readInlines(tokens) };
    }
  }
}

function readList({ ordered, start, loose, items }: Tokens.List): BlockContent {
  const markers = items.map(({ raw }, at) => {
    if (!ordered) return '-';
    return `${Number(start) + at}${/^\s*\d+([.)])/.exec(raw)?.[1] ?? '.'}`;
  });
  return { kind: 'list', isOrdered: ordered, isLoose: loose, markers, items: items.map(readItem) };
}

const readItem = ({ task, checked, tokens }: Tokens.ListItem): ListItem => ({
  ...(task && { isChecked: checked === true }),
  blocks: readBlocks(tokens),
});

type KnownInline =
  | Tokens.Text
  | Tokens.Escape
  | Tokens.Strong
  | Tokens.Em
  | Tokens.Del
  | Tokens.Codespan
  | Tokens.Link
  | Tokens.Image
  | Tokens.Br
  | Tokens.Checkbox
  | Tokens.Tag;

const readInlines = (tokens: readonly Token[] = []): readonly Inline[] =>
  tokens.flatMap((token) => readInline(token as KnownInline));

function readInline(token: KnownInline): readonly Inline[] {
  switch (token.type) {
    case 'strong':
      return [{ kind: 'strong', children: readInlines(token.tokens) }];
    case 'em':
      return [{ kind: 'emphasis', children: readInlines(token.tokens) }];
    case 'del':
      return [{ kind: 'strike', children: readInlines(token.tokens) }];
    case 'codespan':
      return [{ kind: 'code', text: token.text }];
    case 'br':
      return [{ kind: 'break' }];
    case 'checkbox':
      // The item says whether it is done.
      return [];
    case 'escape':
      return [{ kind: 'text', text: token.text, isEscaped: true }];
    case 'link':
      return readLink(token);
    case 'image':
      // Nothing is fetched because a reply says so: a picture is a link to it.
      return readLink({ ...token, tokens: token.text === '' ? [] : token.tokens });
    case 'html':
      return /^<br\s*\/?>$/i.test(token.raw) ? [{ kind: 'break' }] : [{ kind: 'text', text: token.raw }];
    default:
      // In lists, text comes with tokens of its own.
      return token.tokens === undefined
        ? [{ kind: 'text', text: decodeReferences(token.text) }]
        : readInlines(token.tokens);
  }
}

/** Addresses that lead to a page or a person. Whatever else is written as a link (`javascript:`, a path) is text. */
const ALLOWED = /^(https?:\/\/|mailto:)/i;

function readLink({ raw, href: written, tokens }: Pick<Tokens.Link, 'raw' | 'href' | 'tokens'>): readonly Inline[] {
  const href = decodeReferences(written).replaceAll(UNSAFE, encodeURIComponent);
  if (!ALLOWED.test(href)) return [{ kind: 'text', text: raw }];
  const children = readInlines(tokens);
  const label = textOf(children);
  const isBare = raw === label && (href === label || href.endsWith(label));
  return [{ kind: 'link', href, children: label.trim() === '' ? [{ kind: 'text', text: href }] : children, isBare }];
}

/** What ends an address in one of the channels' forms. */
const UNSAFE = /[\s<>"|\\^`{}\u0000-\u001f\u007f]/g;
