import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { TLSSocket } from 'node:tls';

/** A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d. */
export const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

/** Whether an address is in one of the ranges. */
export function createTrust(ranges: readonly string[]): (address: string) => boolean {
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

/** Whether a request came over our own TLS, or a trusted proxy says that it came to it over HTTPS. */
export const createIsSecure =
  (isTrusted: (address: string) => boolean) =>
  ({ socket, headers }: IncomingMessage): boolean => {
    if (socket instanceof TLSSocket) return true;
    const forwarded = headers['x-forwarded-proto'];
    if (typeof forwarded !== 'string' || !isTrusted(unmapped(socket.remoteAddress ?? ''))) return false;
    // Only the last of several was written by the peer itself.
    return forwarded.slice(forwarded.lastIndexOf(',') + 1).trim() === 'https';
  };
