const ASSIGNMENT = /^\s*(?:export\s+)?[A-Za-z_][\w.-]{0,200}\s*=\s*(["'`]?)/;

/**
 * Numbers of the lines of an `.env` that set nothing: neither empty, nor a comment, nor `NAME=value`. A quoted value may go
 * on over several lines. No line is quoted by what this returns, because each may be a secret.
 */
export function malformedLines(text: string): number[] {
  const lines = text.split('\n');
  const malformed: number[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [start, quote] = ASSIGNMENT.exec(line) ?? [];
    if (start === undefined) malformed.push(index + 1);
    if (!quote || line.includes(quote, start?.length)) continue;
    const end = lines.findIndex((one, at) => at > index && one.includes(quote));
    if (end < 0) malformed.push(index + 1);
    else index = end;
  }
  return malformed;
}
