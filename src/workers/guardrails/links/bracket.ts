import { domainToASCII } from 'node:url';

/** Longest host that is shown; a longer one carries data. */
const MAX_HOST_CHARS = 80;

/** RFC 1035, 2.3.4: no host is longer; what is, was never one. */
const MAX_AUTHORITY_CHARS = 512;

/** A host as people may read it and no client follows it: `evil[.]example`, Unicode spelled out as punycode. */
export function bracketHost(authority: string): string {
  const given = authority.slice(authority.lastIndexOf('@') + 1).slice(0, MAX_AUTHORITY_CHARS);
  const host = given.replace(/:\d{0,8}$/, '');
  const ascii = domainToASCII(host) || host.replace(/[^\w.-]/g, '');
  const labels = ascii.split('.').filter((label) => label !== '');
  const shown = labels.join('.');
  if (shown.length <= MAX_HOST_CHARS) return labels.join('[.]');
  return `${shown
    .slice(0, MAX_HOST_CHARS)
    .split('.')
    .filter((label) => label !== '')
    .join('[.]')}…`;
}

const MARKS: ReadonlySet<string> = new Set(".,;:!?'*_~");

/** The punctuation a text ends with, which belongs to the sentence and not to the URL. */
export function closingOf(text: string): string {
  let start = text.length;
  while (start > 0 && MARKS.has(text.charAt(start - 1))) start -= 1;
  return text.slice(start);
}
