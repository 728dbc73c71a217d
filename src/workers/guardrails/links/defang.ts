import { defuseDomains } from './domains.ts';
import type { IsListed } from './link-hosts.ts';
import { isListedUrl } from './listed-url.ts';
import { defuseUrls } from './urls.ts';

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
