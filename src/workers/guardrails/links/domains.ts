import { domainToASCII } from 'node:url';
import type { IsListed } from './link-hosts.ts';
import { listedPrefix, MAX_RUN } from './listed-url.ts';

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

/** A part of a text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** Tells of positions, asked for in rising order, whether they lie in one of the spans, which are in rising order too. */
function within(spans: readonly Span[]): (at: number) => boolean {
  let next = 0;
  return (at) => {
    while ((spans[next]?.end ?? Number.POSITIVE_INFINITY) <= at) next += 1;
    return (spans[next]?.start ?? Number.POSITIVE_INFINITY) <= at;
  };
}

/** Code as Markdown and Slack both see it: a block between fences, or a span of one backtick on one line. */
const CODE = /```[^`]*(?:`{1,2}[^`]+)*```|(?<![`\\])`[^`\n]+`(?!`)/g;

/** Where no client makes links of bare names. */
const codeIn = (text: string): Span[] =>
  text.includes('`')
    ? [...text.matchAll(CODE)].map(({ 0: code, index }) => ({ start: index, end: index + code.length }))
    : [];

/** Country codes that are delegated (IANA root zone). */
const countries =
  'ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw';

/** The generic ones people meet, and those that abuse reports name most. */
const generic =
  'com net org info biz name pro mobi aero asia cat coop edu gov int jobs mil museum post tel travel xxx arpa app dev page web xyz top site online store shop club vip work live life world today news blog cloud tech digital agency email link click win bid loan men date review trade stream download racing party science cricket faith accountant gdn icu cyou cfd sbs rest bar buzz fun space website host press monster quest beauty hair skin makeup lol mom pics zip mov foo dad phd prof nexus esq new day boo rsvp how ing meme gle goog google amazon aws azure microsoft apple onion support help systems network solutions services company center zone team group global media studio design games game chat social video audio photo photos tube wiki ink one red blue black pink green gold plus ltd llc inc gmbh bank finance money cash credit exchange fund capital market markets trading crypto eth london paris berlin tokyo nyc africa best cheap sale deals tools run codes engineering software computer sexy porn sex adult dating casino bet poker';

const known: ReadonlySet<string> = new Set(`${countries} ${generic}`.split(' '));

/** True for the last label of names that clients turn into links by themselves. */
const isTopLevel = (label: string): boolean => known.has(label) || label.startsWith('xn--');

/** Top-level domains that are endings of files as well: one name and one dot is read as a file. */
const endings: ReadonlySet<string> = new Set(['md', 'py', 'rs', 'sh', 'pl', 'cc', 'so', 'ps', 'st']);
const isFileEnding = (label: string): boolean => endings.has(label);

/** Top-level domains that programs name members with: `user.id`, `file.name`. */
const members: ReadonlySet<string> = new Set(
  'id name info is to in my me so it at as by do no be date day app page link next run new group map data host email world web top red blue black pink green gold video audio photo game style tools systems network media space events click win today news team zone support help exchange market markets cash bar ink one plus vote'.split(
    ' ',
  ),
);
const isMember = (label: string): boolean => members.has(label);

/** Longest host that is shown; a longer one carries data. */
const MAX_HOST_CHARS = 80;

/** RFC 1035, 2.3.4: no host is longer; what is, was never one. */
const MAX_AUTHORITY_CHARS = 512;

/** A host as people may read it and no client follows it: `evil[.]example`, Unicode spelled out as punycode. */
export function bracketHost(authority: string): string {
  const given = authority.slice(authority.lastIndexOf('@') + 1).slice(0, MAX_AUTHORITY_CHARS);
  const host = given.replace(/:\d{0,8}$/, '');
  const ascii = domainToASCII(host) || host.replace(/[^\w.-]/g, '');
  const labels = ascii.split('.').filter((label) => label !== '');
  const shown = labels.join('.');
  if (shown.length <= MAX_HOST_CHARS) return labels.join('[.]');
  return `${shown
    .slice(0, MAX_HOST_CHARS)
    .split('.')
    .filter((label) => label !== '')
    .join('[.]')}…`;
}

const MARKS: ReadonlySet<string> = new Set(".,;:!?'*_~");

/** The punctuation a text ends with, which belongs to the sentence and not to the URL. */
export function closingOf(text: string): string {
  let start = text.length;
  while (start > 0 && MARKS.has(text.charAt(start - 1))) start -= 1;
  return text.slice(start);
}
