import { isIPv4, isIPv6 } from 'node:net';
import { domainToUnicode } from 'node:url';

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

export type Host =
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
export function readHost(raw: string, parsed: string): Host {
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

export const isMetadataName = (name: string): boolean => metadataNames.has(name);
