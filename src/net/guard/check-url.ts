import { isIPv4, isIPv6 } from 'node:net';
import { domainToUnicode } from 'node:url';
import { parseUrl } from '../../core/text/url.ts';
import { addressKind } from './address.ts';
import type { UrlReason } from './reasons.ts';

/** A host and port as they stand in a configured URL: lower case, IPv6 without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface UrlPolicy {
  readonly ports: readonly number[];
  /** May be private, on any port: exactly these and nothing beside them. */
  readonly allow: readonly HostPort[];
  /** Hosts that may be asked at all, redirects included; absent: every public one. */
  readonly isListed?: (host: string) => boolean;
  /** Public hosts are reached through a proxy, which may be the only one to know their addresses. */
  readonly isProxied?: boolean;
}

/** A URL that may be resolved next; `url` is canonical. */
export interface Candidate extends HostPort {
  readonly url: URL;
  readonly isAddress: boolean;
  /** On the allow-list: somebody with access to the configuration meant this host. */
  readonly isConfigured: boolean;
}

export type Checked =
  | { readonly ok: true; readonly candidate: Candidate }
  | { readonly ok: false; readonly reason: UrlReason };

/** RFC 9110, 4.1 asks for at least 8000 octets. */
const MAX_URL_LENGTH = 8192;

/** What RFC 3986 has nowhere in a URL and parsers drop or turn into something else: controls, space, backslash. */
const unclean = /[\u0000-\u0020\u007f\\]/;

const scheme = /^([a-z][a-z0-9+.-]*):/i;
const http = /^https?:\/\/([^/?#]+)/i;
const trailingPort = /:\d*$/;
const defaultPorts = { http: 80, https: 443 };

type Refused = { readonly ok: false; readonly reason: UrlReason };
const refuse = (reason: UrlReason): Refused => ({ ok: false, reason });

/**
 * Decides about a URL as far as its text goes: no lookup, no I/O. `base` is the hop a relative `Location` belongs to.
 */
export function checkUrl(text: string, policy: UrlPolicy, base?: URL): Checked {
  const read = readUrl(text, base);
  if (!read.ok) return read;
  const { host, port, isAddress } = read;
  const isConfigured = policy.allow.some((entry) => entry.host === host && entry.port === port);
  if (!isConfigured) {
    const kind = isAddress ? addressKind(host) : 'public';
    if (kind !== 'public') return refuse(`address-${kind}`);
    if (!isAddress && isMetadataName(host)) return refuse('name-metadata');
    if (!isAddress && isLocalName(host)) return refuse('name-local');
    if (!policy.ports.includes(port)) return refuse('port-not-allowed');
    if (policy.isListed?.(host) === false) return refuse('host-not-listed');
  }
  return { ok: true, candidate: { url: read.url, host, port, isAddress, isConfigured } };
}

/**
 * The allow-list entry of a configured URL.
 * @returns null for a URL no client would fetch: not http(s), credentials in it, a host in disguise.
 */
export function allowEntry(configuredUrl: string): HostPort | null {
  const read = readUrl(configuredUrl);
  return read.ok ? { host: read.host, port: read.port } : null;
}

type Read = Refused | ({ readonly ok: true } & Omit<Candidate, 'isConfigured'>);

/** Syntax alone, on the text as written: what the parser repairs silently is refused. */
function readUrl(text: string, base?: URL): Read {
  if (text.length > MAX_URL_LENGTH || unclean.test(text)) return refuse('url-malformed');
  const absolute = base === undefined ? text : absoluteText(text, base);
  const named = scheme.exec(absolute)?.[1]?.toLowerCase();
  if (named === undefined) return refuse('url-malformed');
  if (named !== 'http' && named !== 'https') return refuse('scheme-not-allowed');

  const authority = http.exec(absolute)?.[1];
  if (authority === undefined) return refuse('url-malformed');
  if (authority.includes('@')) return refuse('credentials-in-url');
  const url = hidesCredentials(absolute) ? null : parseUrl(absolute);
  if (url === null) return refuse('url-malformed');

  const host = readHost(authority.replace(trailingPort, ''), url.hostname);
  if (host.kind === 'unclean') return refuse('host-not-canonical');
  if (host.kind === 'name') url.hostname = host.host;
  const port = url.port === '' ? defaultPorts[named] : Number(url.port);
  return { ok: true, url, host: host.host, port, isAddress: host.kind === 'address' };
}

/** `http://a?@b/`: a parser that ends the authority at the slash alone reads `a?` as the user and goes to `b`. */
const hidesCredentials = (absolute: string): boolean => /^[^/]*\/\/[^/]*@/.test(absolute);

/** Absolute texts stay as written, so that they are read as strictly as the first URL. */
function absoluteText(text: string, base: URL): string {
  if (scheme.test(text)) return text;
  if (text.startsWith('//')) return base.protocol + text;
  return parseUrl(text, base)?.href ?? '';
}

/**
 * Last labels that never lead to a public server: RFC 6761 (localhost, invalid), RFC 6762 with its appendix G (local,
 * intranet, internal, private, corp, home, lan), RFC 7686 (onion), RFC 8375 (home.arpa), and what Linux distributions
 * and Kubernetes add. Refusing them by name spares the lookup, which would tell the local resolver what was asked for.
 */
const localSuffixes = [
  'localhost',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
  'localdomain',
  'localdomain6',
  'svc',
  'onion',
  'invalid',
];

/** Metadata services behind public-looking names; the rest are single labels or end in `.internal`. */
const metadataNames = new Set(['metadata.tencentyun.com', 'metadata.packet.net', 'metadata.platformequinix.com']);

/** Letters, digits, hyphens (RFC 1123, 2.1) and the underscore some hosting services use. */
const label = /^[a-z0-9_-]{1,63}$/;

/** RFC 1035, 2.3.4, without the root label. */
const MAX_NAME_LENGTH = 253;

type Host =
  | { readonly kind: 'address'; readonly host: string }
  | { readonly kind: 'name'; readonly host: string }
  /** A disguise, or not a host name: no honest link looks like that. */
  | { readonly kind: 'unclean' };

/**
 * Reads the host as written (`raw`, without port) beside what the URL parser made of it (`parsed`): the two must say the
 * same thing. Octal, hexadecimal, short and dotted-with-a-tail IPv4, percent-encoding, full-width and circled letters
 * are refused even where they mean a public address, because the next parser may read them differently.
 * An IPv6 address comes back without brackets, a name without its trailing dot.
 */
function readHost(raw: string, parsed: string): Host {
  if (parsed.startsWith('[')) {
    const address = parsed.slice(1, -1);
    return isIPv6(address) ? { kind: 'address', host: address } : { kind: 'unclean' };
  }
  if (isIPv4(parsed)) return raw === parsed ? { kind: 'address', host: parsed } : { kind: 'unclean' };
  const written = raw.toLowerCase().normalize('NFC');
  if (written !== parsed && written !== domainToUnicode(parsed)) return { kind: 'unclean' };
  const name = parsed.endsWith('.') ? parsed.slice(0, -1) : parsed;
  const clean = name.length <= MAX_NAME_LENGTH && name.split('.').every((part) => label.test(part));
  return clean ? { kind: 'name', host: name } : { kind: 'unclean' };
}

/** True for names of this machine, its network or its cluster. A single label is one: search lists complete it. */
export const isLocalName = (name: string): boolean =>
  !name.includes('.') || localSuffixes.some((suffix) => name === suffix || name.endsWith(`.${suffix}`));

const isMetadataName = (name: string): boolean => metadataNames.has(name);
