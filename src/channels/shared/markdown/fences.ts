/** A block of code whose end is still to come. */
export interface OpenFence {
  /** What stands before it on its line: blanks, and the signs of quotes. */
  readonly prefix: string;
  readonly fence: string;
  readonly info: string;
}

/** Signs of quotes and lists, and then the fence (CommonMark, 4.5). */
const OPENING = /^((?:[ \t>]|[-*+] |\d{1,9}[.)] ){0,40})(`{3,}(?=[^`]*$)|~{3,})[ \t]*([\w+#.-]{0,30})/;

const closes = (line: string, fence: string): boolean => {
  const stripped = line.replace(/^[ \t>]*/, '').trimEnd();
  return stripped.length >= fence.length && stripped === fence[0]?.repeat(stripped.length);
};

/** The block of code that a text ends in, in lists and quotes too. */
export function openFenceOf(text: string): OpenFence | undefined {
  let open: OpenFence | undefined;
  for (const line of text.split('\n')) {
    if (open !== undefined) {
      if (closes(line, open.fence)) open = undefined;
      continue;
    }
    const [, prefix, fence, info = ''] = OPENING.exec(line) ?? [];
    // What is inside an item is as far in as the item's own text.
    if (prefix !== undefined && fence !== undefined) open = { prefix: prefix.replaceAll(/[^\s>]/g, ' '), fence, info };
  }
  return open;
}

/** The text with an end to the code it ends in. */
export function closeFence(text: string): string {
  const open = openFenceOf(text);
  return open === undefined ? text : `${text}\n${open.prefix}${open.fence}`;
}

/** What is left of the code, in a block of its own. Inside a list it comes out of the list: its item has ended. */
export function reopenFence({ prefix, fence, info }: OpenFence, rest: string): string {
  if (prefix.includes('>')) return `${prefix}${fence}${info}\n${rest}`;
  const lines = rest.split('\n');
  const end = lines.findIndex((line) => closes(line, fence));
  const code = lines.slice(0, end === -1 ? lines.length : end + 1);
  const indented = new RegExp(`^[ \\t]{0,${prefix.length}}`);
  const moved = [...code.map((line) => line.replace(indented, '')), ...lines.slice(code.length)];
  return `${fence}${info}\n${moved.join('\n')}`;
}
