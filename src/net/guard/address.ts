import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Why an address is not for the public; bounded, so it may end a reason word and label a metric. */
export type SpecialKind =
  | 'unspecified'
  | 'loopback'
  | 'private'
  | 'shared'
  | 'link-local'
  | 'metadata'
  | 'multicast'
  | 'documentation'
  | 'benchmarking'
  | 'transition'
  | 'anycast'
  | 'reserved'
  | 'malformed';

export type AddressKind = 'public' | SpecialKind;

type Row = readonly [cidr: string, kind: SpecialKind];

/**
 * IANA IPv4 Special-Purpose Address Registry, the narrow before the wide. Entries the registry calls globally reachable
 * are refused as well: they are relays and sinks anybody may announce in his own network, never somebody's web site.
 */
const ipv4Rows: readonly Row[] = [
  ['0.0.0.0/8', 'unspecified'], // RFC 791, 3.2; Linux connects 0.0.0.0 to itself
  ['10.0.0.0/8', 'private'], // RFC 1918
  ['100.100.100.200/32', 'metadata'], // Alibaba Cloud, inside the shared space
  ['100.64.0.0/10', 'shared'], // RFC 6598
  ['127.0.0.0/8', 'loopback'], // RFC 1122, 3.2.1.3
  ['168.63.129.16/32', 'metadata'], // Azure WireServer: a public number that every Azure host answers locally
  ['169.254.169.254/32', 'metadata'], // AWS, GCP, Azure and most others
  ['169.254.0.0/16', 'link-local'], // RFC 3927; holds more metadata services (ECS 169.254.170.2, Tencent 169.254.0.23)
  ['172.16.0.0/12', 'private'], // RFC 1918
  ['192.0.0.192/32', 'metadata'], // Oracle Cloud Classic
  ['192.0.0.0/24', 'reserved'], // RFC 6890, 2.1: IETF protocol assignments
  ['192.0.2.0/24', 'documentation'], // RFC 5737, TEST-NET-1
  ['192.31.196.0/24', 'anycast'], // RFC 7535, AS112
  ['192.52.193.0/24', 'anycast'], // RFC 7450, AMT relays
  ['192.88.99.0/24', 'transition'], // RFC 7526, 6to4 relays, withdrawn
  ['192.168.0.0/16', 'private'], // RFC 1918
  ['192.175.48.0/24', 'anycast'], // RFC 7534, AS112
  ['198.18.0.0/15', 'benchmarking'], // RFC 2544
  ['198.51.100.0/24', 'documentation'], // RFC 5737, TEST-NET-2
  ['203.0.113.0/24', 'documentation'], // RFC 5737, TEST-NET-3
  ['224.0.0.0/4', 'multicast'], // RFC 5771
  ['240.0.0.0/4', 'reserved'], // RFC 1112, 4; RFC 8190 for 255.255.255.255
];

/**
 * IANA IPv6 Special-Purpose Address Registry. Every form that carries an IPv4 address inside is refused whole, whatever
 * it carries: where such an address leads is decided by a translator or tunnel end we do not know.
 */
const ipv6Rows: readonly Row[] = [
  ['::/128', 'unspecified'], // RFC 4291, 2.5.2
  ['::1/128', 'loopback'], // RFC 4291, 2.5.3
  ['::ffff:0:0/96', 'transition'], // RFC 4291, 2.5.5.2: IPv4-mapped
  ['::ffff:0:0:0/96', 'transition'], // RFC 2765, 2.1: IPv4-translated
  ['::/96', 'transition'], // RFC 4291, 2.5.5.1: IPv4-compatible
  ['64:ff9b::/96', 'transition'], // RFC 6052, NAT64
  ['64:ff9b:1::/48', 'transition'], // RFC 8215, NAT64 of the local network
  ['100::/64', 'reserved'], // RFC 6666, discard
  ['100:0:0:1::/64', 'reserved'], // RFC 9780, dummy prefix
  ['2001::/32', 'transition'], // RFC 4380, Teredo
  ['2001:2::/48', 'benchmarking'], // RFC 5180
  ['2001::/23', 'reserved'], // RFC 2928: protocol assignments (ORCHID, AMT, AS112, PCP, TURN)
  ['2001:db8::/32', 'documentation'], // RFC 3849
  ['2002::/16', 'transition'], // RFC 3056, 6to4
  ['2620:4f:8000::/48', 'anycast'], // RFC 7534, AS112
  ['3fff::/20', 'documentation'], // RFC 9637
  ['5f00::/16', 'reserved'], // RFC 9602, segment routing
  ['fd00:ec2::254/128', 'metadata'], // AWS over IPv6
  ['fd20:ce::254/128', 'metadata'], // GCP over IPv6
  ['fc00::/7', 'private'], // RFC 4193
  ['fe80::/10', 'link-local'], // RFC 4291, 2.5.6
  ['fec0::/10', 'private'], // RFC 3879, site-local, withdrawn
  ['ff00::/8', 'multicast'], // RFC 4291, 2.7
];

const ipv4Ranges = ipv4Rows.map(([cidr, kind]) => ({ range: ipaddr.IPv4.parseCIDR(cidr), kind }));
const ipv6Ranges = ipv6Rows.map(([cidr, kind]) => ({ range: ipaddr.IPv6.parseCIDR(cidr), kind }));

/** RFC 4291, 2.4: all global unicast that is assigned today. */
const globalUnicast = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * What kind of address this is; only `public` may be connected to by default. Takes the plain forms a resolver gives
 * (`192.0.2.1`, `2001:db8::1`); anything else, zone ids included, is `malformed`.
 */
export function addressKind(address: string): AddressKind {
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 4) return ipv4Kind(ipaddr.IPv4.parse(address));
  if (family === 6) return ipv6Kind(ipaddr.IPv6.parse(address));
  return 'malformed';
}

const ipv4Kind = (address: ipaddr.IPv4): AddressKind =>
  ipv4Ranges.find(({ range }) => address.match(range))?.kind ?? 'public';

function ipv6Kind(address: ipaddr.IPv6): AddressKind {
  const special = ipv6Ranges.find(({ range }) => address.match(range))?.kind;
  if (special !== undefined) return special;
  if (!address.match(globalUnicast)) return 'reserved';
  return isIsatap(address) ? 'transition' : 'public';
}

/** RFC 5214, 6.1: the interface identifier `[0|2]00:5efe:<IPv4>` names an IPv4 host behind any prefix. */
const isIsatap = ({ parts }: ipaddr.IPv6): boolean =>
  (parts[4] === 0x0000 || parts[4] === 0x0200) && parts[5] === 0x5efe;
