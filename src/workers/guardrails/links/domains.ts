import { bracketHost } from './bracket.ts';
import { codeIn } from './code.ts';
import type { IsListed } from './link-hosts.ts';
import { listedPrefix } from './listed-url.ts';
import { type Span, within } from './spans.ts';
import { isFileEnding, isMember, isTopLevel } from './top-level.ts';

/**
 * A name with dots, of any kind that host parsers take for dots, that does not go on before or behind; then a port and a
 * path. Clients make links of these by themselves.
 */
const NAME =
  /(?<![\p{L}\p{N}_.@-])((?:[\p{L}\p{N}_-]{1,63}[.。．｡]){1,126}[\p{L}\p{N}-]{1,63})(?![\p{L}\p{N}_-])(:\d{1,5})?([/?#][A-Za-z0-9\-._~!$&'*+,;=:%/?#@\\^]*)?/gu;

/** The same behind an `@`: only what has a path is more than an address of mail. */
const AT_NAME =
  /(?<=@)((?:[\p{L}\p{N}_-]{1,63}[.。．｡]){1,126}[\p{L}\p{N}-]{2,63})(?::\d{1,5})?\/[A-Za-z0-9\-._~!$&'*+,;=:%/?#@\\^]*/gu;

/** Some readers see it in the middle of a word as well. */
const WEB = /www$/;

const CLOSING = /[.,;:!?'*_~]+$/;

interface Name {
  readonly written: string;
  /** Lower case, compatibility forms resolved. */
  readonly labels: readonly string[];
  readonly port: string;
  /** Path, query or fragment with what leads to it. */
  readonly rest: string;
}

const URL_RUN = /https?:\/\/[^\s<]*/g;

/** URLs that stay as they are, names in their paths included. */
const keptUrls = (text: string, isListed: IsListed): Span[] =>
  [...text.matchAll(URL_RUN)].map(({ 0: run, index }) => ({ start: index, end: index + listedPrefix(run, isListed) }));

/** What `NAME` leaves of names that begin like this is a link to some. */
const WWW = /www[.。．｡](?=([^\s<]+))/giu;

/** Bare names of hosts: `evil[.]example/…`, unless they are allow-listed. */
export function defuseDomains(text: string, isListed: IsListed): string {
  const isCode = within(codeIn(text));
  const isUrl = within(keptUrls(text, isListed));
  const named = text.replace(NAME, (whole: string, written: string, port = '', rest = '', at: number) => {
    const name = { written, labels: written.normalize('NFKC').toLowerCase().split(/[.。]/), port, rest };
    if (isUrl(at) || !isLink(name, isCode(at)) || isKept(name, isListed)) return whole;
    const tail = CLOSING.exec(rest)?.[0] ?? '';
    return `${bracketHost(written)}${rest.length > tail.length ? '/…' : ''}${tail}`;
  });
  const isKeptUrl = within(keptUrls(named, isListed));
  return named
    .replace(WWW, (whole: string, run: string, at: number) =>
      isKeptUrl(at) || listedPrefix(`https://${whole}${run}`, isListed) > 0 ? whole : `${whole.slice(0, -1)}[.]`,
    )
    .replace(AT_NAME, (_, written: string) => `${bracketHost(written)}/…`);
}

/** Whether a client might make a link of it. */
function isLink({ written, labels, port, rest }: Name, isCode: boolean): boolean {
  const last = labels.at(-1) ?? '';
  if (labels.some((label) => WEB.test(label))) return true;
  if (port !== '' || rest !== '') return isTopLevel(last);
  if (isFileEnding(last) && (isCode || labels.length === 2)) return false;
  if (isCode) return isTopLevel(last) && !(isMember(last) && written.split('.').every(isIdentifier));
  return labels.slice(1).some(isTopLevel);
}

/** What programs name things with; longer ones could carry something. */
const isIdentifier = (label: string): boolean => /^[A-Za-z_]\w{0,23}$/.test(label);

const isKept = ({ written, labels, rest }: Name, isListed: IsListed): boolean =>
  /^[a-z0-9.-]+$/.test(written) && isListed(labels.join('.')) && !/[@\\]/.test(rest);
