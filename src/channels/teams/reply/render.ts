import { trimEndOf } from '../../../core/text/cap.ts';
import { type Block, type Inline, indent, joinBlocks, longestTicks, tableLines } from '../../shared/markdown/tree.ts';

/**
 * Markdown as Teams reads it: a subset, which is what a message's text is unless it says otherwise
 * (learn.microsoft.com/microsoftteams/platform/bots/how-to/format-your-bot-messages). HTML is escaped, so that no text
 * becomes a tag or a mention (`<at>`). Tables are shown as code and pictures as links: Teams shows neither as such.
 */
export const renderTeams = (blocks: readonly Block[]): string => joinBlocks(blocks, renderBlock);

/** `&` only where it would begin an entity: anywhere else it is what it looks like, to Markdown as well. */
const escapeText = (text: string): string => text.replaceAll(/&(?=#?\w{1,31};)/g, '&amp;').replaceAll('<', '&lt;');

/** Teams joins lines; two blanks before the break keep them apart. */
const keepLines = (text: string): string =>
  text
    .split('\n')
    .map((line, at, { length }) => (at === length - 1 ? line : `${trimEndOf(line, ' ')}  `))
    .join('\n');

/** Headings below this level are not shown as such on all platforms. */
const MAX_LEVEL = 3;

function renderBlock(block: Block): string {
  switch (block.kind) {
    case 'paragraph':
      return renderInlines(block.children);
    case 'heading': {
      const lines = renderInlines(block.children).split('\n');
      const text = lines
        .map((line) => line.trim())
        .join(' ')
        .trim();
      return `${'#'.repeat(Math.min(block.level, MAX_LEVEL))} ${text}`;
    }
    case 'code':
      return codeBlock(block.text, block.language);
    case 'table':
      return codeBlock(tableLines(block.rows), '');
    case 'quote':
      return indent(joinBlocks(block.blocks, renderBlock), '> ');
    case 'list':
      return block.items
        .map((item, at) => renderItem(item, block.markers[at] ?? '-'))
        .join(block.isLoose ? '\n\n' : '\n');
    case 'rule':
      return '---';
  }
}

function renderItem(
  { isChecked, blocks }: { readonly isChecked?: boolean; readonly blocks: readonly Block[] },
  marker: string,
) {
  const box = isChecked === undefined ? '' : isChecked ? '☑ ' : '☐ ';
  return indent(box + joinBlocks(blocks, renderBlock), `${marker} `, ' '.repeat(marker.length + 1));
}

/** Longer than any row of backticks in it. In code nothing is markup, so only what begins a tag or an entity is escaped. */
function codeBlock(text: string, language: string): string {
  const fence = '`'.repeat(Math.max(3, longestTicks(text) + 1));
  return `${fence}${language}\n${escapeText(text)}\n${fence}`;
}

const signs = { strong: '**', emphasis: '*', strike: '~~' } as const;

const renderInlines = (children: readonly Inline[]): string => children.map(renderInline).join('');

function renderInline(inline: Inline): string {
  switch (inline.kind) {
    case 'text':
      return inline.isEscaped ? `\\${escapeText(inline.text)}` : keepLines(escapeText(inline.text));
    case 'break':
      return '  \n';
    case 'code': {
      const fence = '`'.repeat(longestTicks(inline.text) + 1);
      return `${fence}${escapeText(inline.text)}${fence}`;
    }
    case 'link':
      if (inline.isBare) return renderInlines(inline.children);
      return `[${renderInlines(inline.children)}](${inline.href.replaceAll('(', '%28').replaceAll(')', '%29')})`;
    default:
      return `${signs[inline.kind]}${renderInlines(inline.children)}${signs[inline.kind]}`;
  }
}

export interface AiLabel {
  readonly entities?: readonly object[];
}

/**
 * Teams' own label for what a model wrote, whatever the words are
 * (learn.microsoft.com/microsoftteams/platform/bots/how-to/bot-messages-ai-generated-content).
 */
export const aiLabel = (disclosure: string | undefined): AiLabel =>
  disclosure === undefined
    ? {}
    : {
        entities: [
          {
            type: 'https://schema.org/Message',
            '@type': 'Message',
            '@context': 'https://schema.org',
            additionalType: ['AIGeneratedContent'],
          },
        ],
      };
