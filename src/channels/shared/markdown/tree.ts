/** A reply as its writer meant it, before a channel gives it its own form. */
export type Inline =
  /** As it is shown. `isEscaped`: a backslash kept it from being markup. */
  | { readonly kind: 'text'; readonly text: string; readonly isEscaped?: true }
  | { readonly kind: 'strong' | 'emphasis' | 'strike'; readonly children: readonly Inline[] }
  | { readonly kind: 'code'; readonly text: string }
  /** `href` is http, https or mailto, without blanks and brackets. `isBare`: the text is the address itself. */
  | { readonly kind: 'link'; readonly href: string; readonly children: readonly Inline[]; readonly isBare: boolean }
  | { readonly kind: 'break' };

export interface ListItem {
  /** Of a task; absent otherwise. */
  readonly isChecked?: boolean;
  readonly blocks: readonly Block[];
}

export type BlockContent =
  | { readonly kind: 'paragraph'; readonly children: readonly Inline[] }
  | { readonly kind: 'heading'; readonly level: number; readonly children: readonly Inline[] }
  /** `language` holds letters, digits and `+#-._` only; empty when none is given. */
  | { readonly kind: 'code'; readonly language: string; readonly text: string }
  | { readonly kind: 'quote'; readonly blocks: readonly Block[] }
  /** `markers` are what stands before the items, numbers counted: `1.`, `2.`, or `-`. */
  | {
      readonly kind: 'list';
      readonly isOrdered: boolean;
      /** Lines are left empty between the items. */
      readonly isLoose: boolean;
      readonly markers: readonly string[];
      readonly items: readonly ListItem[];
    }
  /** The first row is the heading. */
  | { readonly kind: 'table'; readonly rows: readonly (readonly (readonly Inline[])[])[] }
  | { readonly kind: 'rule' };

export type Block = BlockContent & {
  /** As it was written. */
  readonly raw: string;
  /** Line breaks between it and the block before: 1, or more where lines were left empty. */
  readonly gap: number;
};

/** Reads Markdown; what cannot be read is plain text. */
export type ReadMarkdown = (markdown: string) => readonly Block[];

/** Whether it says the same without any form. */
export const isPlain = (blocks: readonly Block[]): boolean =>
  blocks.every(
    ({ kind, ...block }) => kind === 'paragraph' && 'children' in block && block.children.every(isPlainInline),
  );

const isPlainInline = (inline: Inline): boolean =>
  (inline.kind === 'text' && inline.isEscaped === undefined) || (inline.kind === 'link' && inline.isBare);

/** The text alone. */
export const textOf = (children: readonly Inline[]): string =>
  children
    .map((inline) => {
      if (inline.kind === 'break') return '\n';
      return 'text' in inline ? inline.text : textOf(inline.children);
    })
    .join('');

/** Blocks in the form a channel gives each, with the lines between them that were there. */
export const joinBlocks = (blocks: readonly Block[], render: (block: Block) => string): string =>
  blocks.map((block, at) => `${at === 0 ? '' : '\n'.repeat(block.gap)}${render(block)}`).join('');

/** Every line behind a sign, the first behind another one. */
export const indent = (text: string, first: string, rest: string = first): string =>
  text
    .split('\n')
    .map((line, at) => (line === '' ? (at === 0 ? first : rest).trimEnd() : (at === 0 ? first : rest) + line))
    .join('\n');

/** The most backticks in a row: a fence around the text has one more. */
export const longestTicks = (text: string): number =>
  (text.match(/`+/g) ?? []).reduce((longest, { length }) => Math.max(longest, length), 0);

/** A table as lines of equally wide columns, for where only a fixed-width font can show one. */
export function tableLines(rows: readonly (readonly (readonly Inline[])[])[]): string {
  const cells = rows.map((row) => row.map((cell) => textOf(cell).replaceAll('\n', ' ')));
  const widths = (cells[0] ?? []).map((_, column) => Math.max(3, ...cells.map((row) => lengthOf(row[column]))));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => pad(row[column] ?? '', width))
      .join(' | ')
      .trimEnd();
  const [head = [], ...body] = cells;
  return [line(head), widths.map((width) => '-'.repeat(width)).join('-|-'), ...body.map(line)].join('\n');
}

const lengthOf = (text: string | undefined): number => Array.from(text ?? '').length;
const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - lengthOf(text)));
