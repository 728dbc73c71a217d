import { domainToASCII } from 'node:url';

/** Longest host that is shown; a longer one carries data. */
const MAX_HOST_CHARS = 80;

/** A host as people may read it and no client follows it: `evil[.]example`, Unicode spelled out as punycode. */
export function bracketHost(authority: string): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1).replace(/:\d*$/, '');
  const ascii = domainToASCII(host) || host.replace(/[^\w.-]/g, '');
  const shown = ascii.replace(/^\.+|\.+$/g, '');
  const short = shown.length > MAX_HOST_CHARS ? `${shown.slice(0, MAX_HOST_CHARS).replace(/\.+$/, '')}…` : shown;
  return short.replaceAll('.', '[.]');
}
