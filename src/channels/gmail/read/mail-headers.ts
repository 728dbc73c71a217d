import type { MailHeader } from './messages.ts';

/** The first header of that name, without line breaks and of a length that honest headers have; '' when absent. */
export function headerOf(headers: readonly MailHeader[] | null | undefined, name: string): string {
  const wanted = name.toLowerCase();
  const value = headers?.find((header) => header.name.toLowerCase() === wanted)?.value ?? '';
  return value.slice(0, MAX_CHARS).replace(LINE_BREAKS, ' ').trim();
}

/** RFC 5322, 2.1.1 allows 998 a line; `References` folds over several. */
const MAX_CHARS = 8_192;

/** What ends or begins a line anywhere: a header that is copied into another message must not bring its own. */
const LINE_BREAKS = /[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g;

/** An address as RFC 5321 knows it, without the quoted forms that nobody uses: what may stand around its `@`. */
const LOCAL_PART = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]$/;
const DOMAIN = /^[A-Za-z0-9.-]{1,255}/;
/** RFC 5321, 4.5.3.1.1. */
const MAX_LOCAL_PART = 64;

/** The address in a From or Reply-To header, in lower case; undefined when there is none that can be written to. */
export function addressOf(value: string): string | undefined {
  // Where there is a <…>, the text before it is a name, and names may be made to look like addresses.
  const angled = /<([^<>]*)>[^<>]*$/.exec(value.slice(0, MAX_ADDRESS_CHARS))?.[1];
  return firstAddress(angled ?? value.slice(0, MAX_ADDRESS_CHARS))?.toLowerCase();
}

/** The name in a From header, as its sender wrote it; undefined when there is none. */
export function nameIn(value: string): string | undefined {
  const [before = ''] = value.slice(0, MAX_ADDRESS_CHARS).split(/<[^<>]*>\s*$/);
  const name = before.trim().replace(/^"|"$/g, '').replaceAll('\\"', '"').trim();
  return name === '' || before === value ? undefined : name;
}

function firstAddress(text: string): string | undefined {
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    let start = at;
    while (at - start < MAX_LOCAL_PART && LOCAL_PART.test(text[start - 1] ?? '')) start -= 1;
    const domain = DOMAIN.exec(text.slice(at + 1))?.[0];
    if (start < at && domain !== undefined) return `${text.slice(start, at)}@${domain}`;
  }
  return undefined;
}

const MAX_ADDRESS_CHARS = 1_024;
