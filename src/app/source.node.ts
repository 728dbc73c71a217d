import { BlockList, isIP } from 'node:net';

/**
 * The address a request came from: the connection's, or, where that is a trusted proxy, the nearest address in
 * `X-Forwarded-For` (read from the right) that is not one. Anything further left is what a client may have written.
 */
export function createSourceOf(trustedRanges: readonly string[]): (peer: string, forwardedFor?: string) => string {
  const trusted = new BlockList();
  for (const range of trustedRanges) {
    const [network = '', bits = ''] = range.split('/');
    trusted.addSubnet(network, Number(bits), isIP(network) === 6 ? 'ipv6' : 'ipv4');
  }
  const isTrusted = (address: string): boolean => {
    const family = isIP(address);
    return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
  return (peer, forwardedFor) => {
    let source = unmapped(peer);
    const hops = (forwardedFor ?? '').split(',').map((hop) => unmapped(hop.trim()));
    while (isTrusted(source) && hops.length > 0) {
      const hop = hops.pop() ?? '';
      if (isIP(hop) === 0) break;
      source = hop;
    }
    return source;
  };
}

/** A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');
