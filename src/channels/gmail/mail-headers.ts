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

/** An address as RFC 5321 knows it, without the quoted forms that nobody uses. */
const ADDRESS = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}/;

/** The address in a From or Reply-To header, in lower case; undefined when there is none that can be written to. */
export function addressOf(value: string): string | undefined {
  // Where there is a <…>, the text before it is a name, and names may be made to look like addresses.
  const angled = /<([^<>]*)>[^<>]*$/.exec(value.slice(0, MAX_ADDRESS_CHARS))?.[1];
  return ADDRESS.exec(angled ?? value.slice(0, MAX_ADDRESS_CHARS))?.[0].toLowerCase();
}

const MAX_ADDRESS_CHARS = 1_024;
