import type { Token, Tokens } from 'marked';
import { decodeReferences } from '../../../core/text/html.ts';
import { type Inline, textOf } from './tree.ts';

type Known =
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

export const readInlines = (tokens: readonly Token[] = []): readonly Inline[] =>
  tokens.flatMap((token) => readInline(token as Known));

function readInline(token: Known): readonly Inline[] {
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
