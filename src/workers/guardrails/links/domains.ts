import { bracketHost } from './bracket.ts';
import { closingOf } from './closing.ts';
import { codeIn } from './code.ts';
import type { IsListed } from './link-hosts.ts';
import { listedPrefix, MAX_RUN } from './listed-url.ts';
import { type Span, within } from './spans.ts';
import { isFileEnding, isMember, isTopLevel } from './top-level.ts';

/** Labels with single dots between them, of every kind that host parsers take for dots. */
const NAME = /[\p{L}\p{N}_-]+(?:[.。．｡][\p{L}\p{N}_-]+)*/gu;
/** A port, and a path, query or fragment. */
const PORT = /:\d{1,5}(?!\d)/y;
const REST = /[/?#][A-Za-z0-9\-._~!$&'*+,;=:%/?#@\\^]*/y;
/** Some readers see it in the middle of a word as well. */
const WEB = /www$/;
const URL_RUN = /https?:\/\/[^\s<]*/g;

interface Name {
  readonly written: string;
  /** Lower case, compatibility forms resolved. */
  readonly labels: readonly string[];
  readonly port: string;
  readonly rest: string;
  /** It is the second half of an address of mail. */
  readonly isMail: boolean;
}

/**
 * Bare names of hosts, which clients make links of by themselves: `evil[.]example/…`, unless they are allow-listed.
 */
export function defuseDomains(text: string, isListed: IsListed): string {
  const isCode = within(codeIn(text));
  const isUrl = within(keptUrls(text, isListed));
  let out = '';
  let at = 0;
  for (const { 0: written, index } of text.matchAll(NAME)) {
    const labels = written.normalize('NFKC').toLowerCase().split(/[.。]/);
    if (labels.length < 2 || index < at || isUrl(index)) continue;
    const end = index + written.length;
    const port = stickTo(PORT, text, end);
    const rest = stickTo(REST, text, end + port.length);
    const name = { written, labels, port, rest, isMail: text[index - 1] === '@' };
    if (!isLink(name, isCode(index)) || isKept(name, isListed)) continue;
    const tail = closingOf(rest);
    out += `${text.slice(at, index)}${bracketHost(written)}${rest.length > tail.length ? '/…' : ''}${tail}`;
    at = end + port.length + rest.length;
  }
  return defuseWww(out + text.slice(at), isListed);
}

/** URLs that stay as they are, names in their paths included. */
const keptUrls = (text: string, isListed: IsListed): Span[] =>
  [...text.matchAll(URL_RUN)].map(({ 0: run, index }) => ({ start: index, end: index + listedPrefix(run, isListed) }));

/** Whether a client might make a link of it. */
function isLink({ written, labels, port, rest, isMail }: Name, isCode: boolean): boolean {
  const last = labels.at(-1) ?? '';
  if (isMail) return rest.startsWith('/');
  if (labels.some((label) => WEB.test(label))) return true;
  if (port !== '' || rest !== '') return labels.slice(1).some(isTopLevel);
  if (isFileEnding(last) && (isCode || labels.length === 2)) return false;
  if (isCode) return isTopLevel(last) && !(isMember(last) && written.split('.').every(isIdentifier));
  return labels.slice(1).some(isTopLevel);
}

/** What programs name things with; longer ones could carry something. */
const isIdentifier = (label: string): boolean => /^[A-Za-z_]\w{0,23}$/.test(label);

const isKept = ({ written, labels, rest, isMail }: Name, isListed: IsListed): boolean =>
  !isMail && /^[a-z0-9.-]+$/.test(written) && isListed(labels.join('.')) && !/[@\\]/.test(rest);

/** What is left of names that begin like this is a link to some. */
const WWW = /www[.。．｡](?=[^\s<])/giu;

function defuseWww(text: string, isListed: IsListed): string {
  const isUrl = within(keptUrls(text, isListed));
  return text.replace(WWW, (whole: string, at: number) => {
    const isListedName = listedPrefix(`https://${text.slice(at, at + MAX_RUN).split(/[\s<]/, 1)[0]}`, isListed) > 0;
    return isUrl(at) || isListedName ? whole : `${whole.slice(0, -1)}[.]`;
  });
}

function stickTo(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}
