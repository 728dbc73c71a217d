import ipaddr from 'ipaddr.js';

/** An address in its one spelling, and of IPv6 the networks it may be counted as; an IPv4-mapped address is an IPv4 one. */
export interface SourceAddress {
  readonly address: string;
  /**
   * The address of an IPv4 source. Of an IPv6 source its /64, which is what one subscriber is given, and its /48, which is
   * what one site is given (RFC 6177), whose holder could use another /64 for each request.
   */
  readonly keys: readonly [narrow: string, ...wide: readonly string[]];
}

/** Null for what is no address. Ports, brackets and zones are left out: `1.2.3.4:5678`, `[2001:db8::1]:443`, `fe80::1%eth0`. */
export function readAddress(text: string): SourceAddress | null {
  const bare =
    /^\[([^\]]+)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text)?.[1] ?? text;
  const [address = ''] = bare.split('%');
  if (!ipaddr.IPv6.isValid(address) && !ipaddr.IPv4.isValidFourPartDecimal(address)) return null;
  const parsed = ipaddr.process(address);
  if (!(parsed instanceof ipaddr.IPv6)) return { address: parsed.toString(), keys: [parsed.toString()] };
  const groups = parsed.parts.map((part) => part.toString(16));
  const network = (count: number): string => `${groups.slice(0, count).join(':')}::/${count * 16}`;
  return { address: parsed.toString(), keys: [network(4), network(3)] };
}

/** Spellings that are remembered. A proxy has one address, and a connection keeps its own. */
const MAX_SPELLINGS = 1_000;

/** `readAddress` for the peers of connections, of which few come often; reading one anew takes 2 µs. */
export function createPeerReader(): (peer: string) => SourceAddress {
  const known = new Map<string, SourceAddress>();
  return (peer) => {
    const before = known.get(peer);
    if (before !== undefined) return before;
    const read = readAddress(peer) ?? { address: peer, keys: [peer] as const };
    if (known.size >= MAX_SPELLINGS) known.clear();
    known.set(peer, read);
    return read;
  };
}
