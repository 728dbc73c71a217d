import { bracketHost, closingOf, defuseDomains } from './domains.ts';
import type { IsListed } from './link-hosts.ts';
import { isListedUrl, listedPrefix } from './listed-url.ts';

/** What taking one disguise away may lay bare, another may follow; honest text needs one round and the look that confirms it. */
const ROUNDS = 8;

/** Stands for a text that is a disguise of a disguise of a disguise. */
const HOPELESS = '[removed: a text made of links in disguise]';

/**
 * Leaves no link to a host that is not listed: neither one of Markdown, HTML or Slack, nor text that a client makes a link
 * of. What was one can still be read, without what it carried in its path and query. Code is treated as any other text,
 * because clients disagree about where it ends. Takes time in proportion to the text; what it returns it does not change
 * again.
 */
export function defang(text: string, isListed: IsListed): string {
  let current = text;
  for (let round = 0; round < ROUNDS; round += 1) {
    const next = once(current, isListed);
    if (next === current) return current;
    current = next;
  }
  return HOPELESS;
}

const once = (text: string, isListed: IsListed): string =>
  defuseDomains(defuseUrls(defuseBrackets(defuseAngles(unmask(text), isListed), isListed), isListed), isListed);

/** From `<` to `>`, or to the next `<` when there is none: HTML, autolinks and Slack's links. */
const ANGLE = /<([^<>]*)(>?)/g;

/** Slack's mentions of people and channels. */
const MENTION = /^[@#][A-Z0-9]{1,32}(?:\|[^|]*)?$/;
/** Slack's own words, HTML comments. URLs inside are found as text. */
const SPECIAL = /^!/;
const DATE = '!date^';
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const TAG = /^\/?([a-z][a-z0-9-]*)/i;

/** Elements that lead or load somewhere, run, or change what stands around them. */
const active: ReadonlySet<string> = new Set(
  'a abbr applet area audio base basefont bgsound body button embed fieldset font form frame frameset head html iframe image img input isindex link listing map marquee math meta noembed noscript object option param picture plaintext portal script select slot source style svg template textarea title track video xmp'.split(
    ' ',
  ),
);

/** HTML that leads somewhere becomes its text; links of Markdown and Slack stay when they are allow-listed. */
const defuseAngles = (text: string, isListed: IsListed): string =>
  text.replace(ANGLE, (whole, inner: string, close: string) => {
    if (close === '') return TAG.test(inner) || SCHEME.test(inner) ? `&lt;${inner}` : whole;
    if (inner.startsWith(DATE)) return date(whole, inner, isListed);
    if (MENTION.test(inner) || SPECIAL.test(inner)) return whole;
    const bar = inner.indexOf('|');
    if (bar !== -1 || SCHEME.test(inner))
      return link(bar === -1 ? inner : inner.slice(0, bar), bar === -1 ? '' : inner.slice(bar + 1), isListed);
    if (/^[^\s@]+@[^\s@]+$/.test(inner)) return inner;
    return tag(whole, inner);
  });

/** `!date^<seconds>^<format>^<link>|<fallback>`; without the link it has three parts. */
function date(whole: string, inner: string, isListed: IsListed): string {
  const [parts = '', ...fallback] = inner.split('|');
  const target = parts.split('^').slice(3).join('^');
  return target === '' || isListedUrl(target, isListed) ? whole : fallback.join('|');
}

function link(target: string, label: string, isListed: IsListed): string {
  const url = /^https?:\/\/[^/]*$/.test(target) ? `${target}/` : target;
  if (isListedUrl(url, isListed)) return label === '' ? `<${url}>` : `<${url}|${label}>`;
  return label === '' ? target : `${label} (${target})`;
}

function tag(whole: string, inner: string): string {
  const name = TAG.exec(inner)?.[1]?.toLowerCase();
  if (name === undefined) return /^\S/.test(inner) && /["'=]|\/\//.test(inner) ? `&lt;${inner}>` : whole;
  if (name === 'img' || name === 'image') return '[image removed]';
  return active.has(name) || inner.includes('=') || inner.includes('//') ? '' : whole;
}

/** Where a Markdown link or image has its target. */
const INLINE = /\]\((?=([^\s()<>]{0,2048}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200})?)(?:\s{1,3}"[^"\n\\]{0,200}")?\)|)/g;

/** Where a reference has its target. */
const REFERENCE = /\]:(?=\s{0,20}(\S{0,2048}))/g;
/** Without any of these, what follows leads nowhere: `[key: string]: number`. */
const TARGET = /[:/\\&.@#?%<]/;

/** Links of Markdown with any other target than an allow-listed URL become text: `[label] (target)`. */
const defuseBrackets = (text: string, isListed: IsListed): string =>
  text
    .replace(INLINE, (whole, target: string | undefined) =>
      target !== undefined && isListedUrl(target, isListed) ? whole : '] (',
    )
    .replace(REFERENCE, (whole, target: string) =>
      isListedUrl(target, isListed) || !TARGET.test(target) ? whole : '] :',
    );

/**
 * Invisible characters (soft hyphen, zero width, bidirectional controls, variation selectors) between visible ASCII. Host
 * parsers drop them (UTS 46), so a client may see a link where this text has none. Elsewhere they have their use, in emoji
 * and in several scripts.
 */
const UNSEEN = /(?<=[!-~])\p{Default_Ignorable_Code_Point}+(?=[!-~])/gu;

/** A Markdown escape of what URLs are made of. */
const ESCAPE = /(?<=[\w:/.@])\\+(?=[:/.@_-])/g;

/**
 * Character references to ASCII that URLs and tags are made of (not `&amp;`, `&lt;`, `&gt;`, `&quot;`), and to white space
 * and invisible characters.
 */
const CHARACTER_REFERENCE =
  /&(?=#\d{1,8};|#x[0-9a-f]{1,7};|(?:colon|sol|bsol|period|commat|num|quest|equals|percnt|lowbar|hyphen|dash|tab|newline|lpar|rpar|lsqb|rsqb|lbrack|rbrack|vert|verbar|excl|zerowidthspace|shy|zwj|zwnj|nobreak|lrm|rlm|ic|it);)/gi;

/** Makes what a renderer would make of it visible: links in disguise become links, and are found. */
const unmask = (text: string): string =>
  text.replace(UNSEEN, '').replace(ESCAPE, '').replace(CHARACTER_REFERENCE, '&amp;');

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
function defuseUrls(text: string, isListed: IsListed): string {
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
