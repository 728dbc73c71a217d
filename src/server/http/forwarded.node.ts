import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { TLSSocket } from 'node:tls';

/** A dual-stack socket shows IPv4 peers as ::ffff:a.b.c.d. */
const unmapped = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

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

/**
 * Whether a client showed a certificate of an authority we know. Node calls a connection `authorized` as well when it goes
 * on with a session in which no certificate was shown (TLS 1.3), so there must be one.
 */
export const isCertified = ({ socket }: IncomingMessage): boolean =>
  socket instanceof TLSSocket && socket.authorized && socket.getPeerX509Certificate() !== undefined;

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
