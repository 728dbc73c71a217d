import type { IsListed } from './link-hosts.ts';

/**
 * The one spelling of a host that stays: http(s), a plain name in lower case, an optional port. Whatever could make another
 * parser see another host (credentials, backslashes, percent signs or Unicode in it) is not of this form.
 */
const HOST = /^https?:\/\/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::\d{1,5})?/;

/** A path and what follows (RFC 3986), without `@`, which some readers take for the end of credentials anywhere. */
const PATH = /^\/[A-Za-z0-9\-._~!$&'()*+,;=:%/?#[\]]*/;

/** What text puts behind a URL without meaning it. */
const CLOSING = /^[)\]}>.,;:!?'"*_`~|…]*$/;

/** Characters of a run that are looked at; no host reaches that far. */
export const MAX_RUN = 1024;

/**
 * Whether `run`, everything from a scheme to the next white space, begins with an allow-listed URL, whatever a client
 * takes for its end. Behind a bare host only closing punctuation may follow: `https://good.example'@evil.example` and
 * `https://good.example,x.evil.example` are other hosts to some.
 * @returns the length of the URL; 0 when it is none
 */
export function listedPrefix(run: string, isListed: IsListed): number {
  const [origin, host] = HOST.exec(run) ?? [];
  if (origin === undefined || host === undefined || !isListed(host) || /[@\\]/.test(run)) return 0;
  const rest = run.slice(origin.length);
  if (rest.startsWith('/')) return origin.length + (PATH.exec(rest)?.[0].length ?? 0);
  return run.length < MAX_RUN && CLOSING.test(rest) ? origin.length : 0;
}

/** True for a URL that is allow-listed as a whole, from its first to its last character. */
export const isListedUrl = (url: string, isListed: IsListed): boolean =>
  url !== '' && listedPrefix(url, isListed) === url.length;
