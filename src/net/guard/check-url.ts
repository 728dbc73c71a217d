import { addressKind } from './address.ts';
import { isLocalName, isMetadataName, readHost } from './host.ts';
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
  if (hidesCredentials(absolute) || !URL.canParse(absolute)) return refuse('url-malformed');

  const url = new URL(absolute);
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
  return URL.canParse(text, base.href) ? new URL(text, base).href : '';
}
