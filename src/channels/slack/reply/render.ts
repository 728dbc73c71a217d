import { readMarkdown } from '../../shared/markdown/read.ts';
import { type Block, type Inline, indent, joinBlocks, tableLines, textOf } from '../../shared/markdown/tree.ts';

/**
 * Markdown as Slack's mrkdwn (docs.slack.dev/messaging/formatting-message-text). `&`, `<` and `>` are escaped wherever
 * they are not ours, so no text can become a mention (`<!channel>`, `<@U…>`), and `@here` as plain text is none.
 */
export const renderMrkdwn = (markdown: string): string => joinBlocks(readMarkdown(markdown), renderBlock);

const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function renderBlock(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return renderInlines(block.children);
    case 'heading':
      return marked('*', renderInlines(block.children, new Set(['strong'])));
    case 'code':
      return codeBlock(block.text);
    case 'table':
      return codeBlock(tableLines(block.rows));
    case 'quote':
      return indent(joinBlocks(block.blocks, renderBlock), '> ');
    case 'list':
      return block.items
        .map((item, at) => renderItem(item, block.isOrdered ? (block.markers[at] ?? '') : '•'))
        .join(block.isLoose ? '\n\n' : '\n');
    case 'rule':
      return '──────────';
  }
}

function renderItem(
  { isChecked, blocks }: { readonly isChecked?: boolean; readonly blocks: readonly Block[] },
  marker: string,
) {
  const box = isChecked === undefined ? '' : isChecked ? '☑ ' : '☐ ';
  // Slack has no nested lists; four blanks look like one.
  return indent(joinBlocks(blocks, renderBlock), `${marker} ${box}`, '    ');
}

/** Three backticks would end the block: a character without width between them keeps them apart. */
const codeBlock = (text: string): string => `\`\`\`\n${escapeText(text.replaceAll('```', '`\u200b`\u200b`'))}\n\`\`\``;

type Style = 'strong' | 'emphasis' | 'strike';
const signs: Readonly<Record<Style, string>> = { strong: '*', emphasis: '_', strike: '~' };

/** `within`: styles that hold already. Slack ends a style at its second sign, so none is opened twice. */
function renderInlines(children: readonly Inline[], within: ReadonlySet<Style> = new Set()): string {
  return children.map((inline) => renderInline(inline, within)).join('');
}

function renderInline(inline: Inline, within: ReadonlySet<Style>): string {
  switch (inline.kind) {
    case 'text':
      return escapeText(inline.text);
    case 'break':
      return '\n';
    case 'code':
      // A backtick inside would end it, and Slack knows no longer fence.
      return inline.text.includes('`') ? escapeText(inline.text) : `\`${escapeText(inline.text)}\``;
    case 'link':
      return renderLink(inline);
    default: {
      const { kind, children } = inline;
      if (within.has(kind)) return renderInlines(children, within);
      return marked(signs[kind], renderInlines(children, new Set([...within, kind])));
    }
  }
}

function renderLink({ href, children, isBare }: Extract<Inline, { kind: 'link' }>): string {
  const label = textOf(children).replaceAll('\n', ' ');
  if (isBare) return escapeText(label);
  return label === href ? `<${escapeText(href)}>` : `<${escapeText(href)}|${escapeText(label)}>`;
}

/** A style ends with its line. */
const marked = (sign: string, text: string): string =>
  text
    .split('\n')
    .map((line) => {
      const inner = line.trim();
      return inner === '' ? line : line.replace(inner, () => sign + inner + sign);
    })
    .join('\n');
