import { readMarkdown } from './read.ts';
import { type Block, type Inline, isPlain, type ListItem } from './tree.ts';

/**
 * Markdown as the body of an HTML mail, everything that was text escaped, without pictures, scripts and styles from
 * elsewhere: reading it tells nobody anything. Undefined when the text needs no form.
 */
export function renderMailHtml(markdown: string): string | undefined {
  const blocks = readMarkdown(markdown);
  return isPlain(blocks) ? undefined : blocks.map((block) => renderBlock(block)).join('\n');
}

export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** HTML joins lines as well. */
const withLines = (text: string): string => escapeText(text).replaceAll('\n', '<br>\n');

/** Mail programs know no style sheets; without borders a table is a heap of words. */
const CELL = 'style="border:1px solid #999;padding:2px 8px;text-align:left"';

function renderBlock(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${renderInlines(block.children)}</p>`;
    case 'heading':
      return `<h${block.level}>${renderInlines(block.children)}</h${block.level}>`;
    case 'code':
      return `<pre><code>${escapeText(block.text)}</code></pre>`;
    case 'quote':
      return `<blockquote>${block.blocks.map(renderBlock).join('\n')}</blockquote>`;
    case 'list': {
      const items = block.items.map(renderItem).join('\n');
      return block.isOrdered
        ? `<ol start="${Number.parseInt(block.markers[0] ?? '1', 10)}">\n${items}\n</ol>`
        : `<ul>\n${items}\n</ul>`;
    }
    case 'table':
      return renderTable(block.rows);
    case 'rule':
      return '<hr>';
  }
}

function renderItem({ isChecked, blocks }: ListItem): string {
  const box = isChecked === undefined ? '' : isChecked ? '☑ ' : '☐ ';
  const [first, ...rest] = blocks;
  if (first?.kind !== 'paragraph') return `<li>${box}${blocks.map(renderBlock).join('\n')}</li>`;
  return `<li>${box}${renderInlines(first.children)}${rest.map((block) => `\n${renderBlock(block)}`).join('')}</li>`;
}

function renderTable([head = [], ...body]: readonly (readonly (readonly Inline[])[])[]): string {
  const row = (cells: readonly (readonly Inline[])[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag} ${CELL}>${renderInlines(cell)}</${tag}>`).join('')}</tr>`;
  return `<table style="border-collapse:collapse">\n${[row(head, 'th'), ...body.map((cells) => row(cells, 'td'))].join('\n')}\n</table>`;
}

const tags = { strong: 'strong', emphasis: 'em', strike: 's' } as const;

const renderInlines = (children: readonly Inline[]): string => children.map(renderInline).join('');

function renderInline(inline: Inline): string {
  switch (inline.kind) {
    case 'text':
      return withLines(inline.text);
    case 'break':
      return '<br>\n';
    case 'code':
      return `<code>${escapeText(inline.text)}</code>`;
    case 'link':
      return `<a href="${escapeText(inline.href)}">${renderInlines(inline.children)}</a>`;
    default:
      return `<${tags[inline.kind]}>${renderInlines(inline.children)}</${tags[inline.kind]}>`;
  }
}
