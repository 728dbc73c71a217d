import { type Inline, textOf } from './tree.ts';

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
