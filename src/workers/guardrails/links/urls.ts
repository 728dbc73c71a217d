import { bracketHost } from './bracket.ts';
import type { IsListed } from './link-hosts.ts';
import { listedPrefix } from './listed-url.ts';

/**
 * A scheme with its slashes: URL parsers take any number of either kind for `//` behind the schemes of the web. A single
 * letter is a drive of Windows.
 */
const NETWORK = /(https?|hxxps?|ftps?|wss?|file|[a-z][a-z0-9+.-]{1,40}(?=:\/\/)):[/\\]+/gi;

/** Schemes that need no slashes; those that are words as well only where they begin one. */
const OPAQUE =
  /(https?|ftps?|wss?):(?=[^\s/\\])|(javascript|vbscript|livescript|\bmocha|\bjar|\bblob|\babout|\bfile):(?=\S)|(data):(?=[\w.+-]{0,100}\/?[\w.+-]{0,100}[;,])/gi;

const MAIL = /\bmailto:([^\s?<>()[\]|"']*)(?:\?[^\s<>()[\]|"']*)?/gi;

/** Host with credentials and port, in any script; ends where text in brackets or quotes would. */
const AUTHORITY = /[^\s/?#\\<>"`|()[\]{}，。、；：！？）】」》]*/y;
/** ASCII after the host that is part of the URL. */
const REST = /[A-Za-z0-9\-._~!$&'*+,;=:%/?#@\\^]*/y;
const CLOSING = /[.,;:!?'*_~]+$/;
const RUN = /[^\s<]*/y;

/** URLs with a scheme, anywhere in a text: `hxxps://evil[.]example/…`, unless they are allow-listed. */
export function defuseUrls(text: string, isListed: IsListed): string {
  let out = '';
  let at = 0;
  NETWORK.lastIndex = 0;
  for (let match = NETWORK.exec(text); match !== null; match = NETWORK.exec(text)) {
    const [prefix, scheme = ''] = match;
    const kept = /^https?$/i.test(scheme) ? listedPrefix(stickTo(RUN, text, match.index), isListed) : 0;
    out += text.slice(at, match.index);
    if (kept > 0) {
      at = match.index + kept;
      out += text.slice(match.index, at);
    } else {
      const url = readUrl(text, match.index + prefix.length);
      at = url.end;
      out += disarm(scheme, url.authority, url.hasRest) + url.tail;
    }
    NETWORK.lastIndex = at;
  }
  return (out + text.slice(at))
    .replace(MAIL, '$1')
    .replace(OPAQUE, (whole, web?: string, code?: string, data?: string) =>
      web === undefined ? `${code ?? data}[:]` : disarmScheme(web).replace('://', ':') || whole,
    );
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
  const tail = CLOSING.exec(rest === '' ? authority : rest)?.[0] ?? '';
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
