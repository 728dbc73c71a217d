import { bracketHost, closingOf } from './domains.ts';
import type { IsListed } from './link-hosts.ts';
import { listedPrefix } from './listed-url.ts';

/** What stands behind a scheme: URL parsers take any number of either kind for `//`. */
const SLASHES = /:[/\\]+/g;
/** Schemes behind which one slash will do. Behind others it takes two: `C:\` is a drive, `a:/b` a list. */
const WEB = /(?:https?|hxxps?|ftps?|wss?|file)$/i;
const LONGEST_SCHEME = 41;

/** Schemes that need no slashes; those that are words as well only where they begin one. */
const OPAQUE =
  /(https?|ftps?|wss?):(?=[^\s/\\])|(javascript|vbscript|livescript|\bmocha|\bjar|\bblob|\babout|\bfile):(?=\S)|(data):(?=[\w.+-]{0,100}\/?[\w.+-]{0,100}[;,])/gi;

const MAIL = /\bmailto:([^\s?<>()[\]|"']*)(?:\?[^\s<>()[\]|"']*)?/gi;

/** Host with credentials and port, in any script; ends where text in brackets or quotes would. */
const AUTHORITY = /[^\s/?#\\<>"`|()[\]{}，。、；：！？）】」》]*/y;
/** ASCII after the host that is part of the URL. */
const REST = /[A-Za-z0-9\-._~!$&'*+,;=:%/?#@\\^]*/y;
/** As much of a run as is looked at (`MAX_RUN`). */
const RUN = /[^\s<]{0,1024}/y;

/** URLs with a scheme, anywhere in a text: `hxxps://evil[.]example/…`, unless they are allow-listed. */
export function defuseUrls(text: string, isListed: IsListed): string {
  let out = '';
  let at = 0;
  for (const { 0: slashes, index } of text.matchAll(SLASHES)) {
    const scheme = index < at ? '' : schemeBefore(text, index);
    const isNetwork = WEB.test(scheme) || (scheme.length > 1 && slashes.startsWith('://'));
    if (!isNetwork) continue;
    const start = index - scheme.length;
    const kept = /^https?$/.test(scheme) ? listedPrefix(stickTo(RUN, text, start), isListed) : 0;
    const url = readUrl(text, index + slashes.length);
    out += text.slice(at, start);
    out += kept > 0 ? text.slice(start, start + kept) : disarm(scheme, url.authority, url.hasRest) + url.tail;
    at = kept > 0 ? start + kept : url.end;
  }
  return (out + text.slice(at))
    .replace(MAIL, '$1')
    .replace(OPAQUE, (whole, web?: string, code?: string, data?: string) =>
      web === undefined ? `${code ?? data}[:]` : disarmScheme(web).replace('://', ':') || whole,
    );
}

/** The longest word before a colon that may be a scheme (RFC 3986, 3.1). */
function schemeBefore(text: string, colon: number): string {
  let start = colon;
  while (start > 0 && colon - start < LONGEST_SCHEME && /[a-z0-9+.-]/i.test(text.charAt(start - 1))) start -= 1;
  while (start < colon && !/[a-z]/i.test(text.charAt(start))) start += 1;
  return text.slice(start, colon);
}

interface Read {
  readonly authority: string;
  readonly hasRest: boolean;
  /** Punctuation behind it that belongs to the text. */
  readonly tail: string;
  readonly end: number;
}

function readUrl(text: string, from: number): Read {
  const authority = stickTo(AUTHORITY, text, from);
  const rest = stickTo(REST, text, from + authority.length);
  const end = from + authority.length + rest.length;
  const tail = closingOf(rest === '' ? authority : rest);
  const host = rest === '' ? authority.slice(0, authority.length - tail.length) : authority;
  return { authority: host, hasRest: rest.length > (rest === tail ? tail.length : 0), tail, end };
}

function disarm(scheme: string, authority: string, hasRest: boolean): string {
  return `${disarmScheme(scheme)}${bracketHost(authority)}${hasRest ? '/…' : ''}`;
}

function disarmScheme(scheme: string): string {
  const name = scheme.toLowerCase();
  if (name === 'http' || name === 'hxxp') return 'hxxp://';
  return name === 'https' || name === 'hxxps' ? 'hxxps://' : `${scheme}[:]//`;
}

function stickTo(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}
