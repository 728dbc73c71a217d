import type { IsListed } from './link-hosts.ts';
import { isListedUrl } from './listed-url.ts';

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
export const defuseAngles = (text: string, isListed: IsListed): string =>
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
