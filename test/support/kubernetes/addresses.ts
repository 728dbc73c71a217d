import ipaddr from 'ipaddr.js';
import type { Peer } from './objects.ts';

const isWithin = (address: string, cidr: string): boolean => {
  const [parsed, range] = [ipaddr.parse(address), ipaddr.parseCIDR(cidr)];
  return parsed.kind() === range[0].kind() && parsed.match(range);
};

/** Whether a NetworkPolicy whose peers these are lets a connection to the address through. */
export const isReached = (address: string, peers: readonly Peer[]): boolean =>
  peers.some(
    ({ ipBlock }) =>
      ipBlock !== undefined &&
      isWithin(address, ipBlock.cidr) &&
      !(ipBlock.except ?? []).some((range) => isWithin(address, range)),
  );

/** First and last address of a range, and those before and after it. */
export function endsOf(cidr: string): string[] {
  const [first, bits] = ipaddr.parseCIDR(cidr);
  const bytes = first.toByteArray();
  const size = 1n << BigInt(bytes.length * 8 - bits);
  const start = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const top = 1n << BigInt(bytes.length * 8);
  return [start - 1n, start, start + size - 1n, start + size]
    .filter((at) => at >= 0n && at < top)
    .map((at) =>
      ipaddr.fromByteArray(bytes.map((_, i) => Number((at >> BigInt(8 * (bytes.length - 1 - i))) & 255n))).toString(),
    );
}
