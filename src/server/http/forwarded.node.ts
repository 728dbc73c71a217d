import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Whether an address is in one of the ranges. */
export function createTrust(ranges: readonly string[]): (address: string) => boolean {
  if (ranges.length === 0) return () => false;
  const trusted = new BlockList();
  for (const range of ranges) {
    const [network = '', bits = ''] = range.split('/');
    trusted.addSubnet(network, Number(bits), isIP(network) === 6 ? 'ipv6' : 'ipv4');
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

/**
 * Whether a client showed a certificate of an authority we know. Node calls a connection `authorized` as well when it goes
 * on with a session in which no certificate was shown (TLS 1.3), so there must be one.
 */
export const isCertified = ({ socket }: IncomingMessage): boolean =>
  socket instanceof TLSSocket && socket.authorized && socket.getPeerX509Certificate() !== undefined;
