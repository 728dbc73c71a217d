import { createPeerReader, readAddress } from './source-keys.ts';

/** Tells which address a request came from. */
export interface Peers {
  /**
   * The connection's address, or, where that is a trusted proxy, the nearest address in `X-Forwarded-For` (read from the
   * right) that is not one. Anything further left is what a client may have written.
   */
  sourceOf(peer: string, forwardedFor: string | undefined): string;
  /**
   * Whether the address stands for many senders, because it sent `X-Forwarded-For` without being trusted. What one of them
   * did must not be held against the others.
   */
  isShared(address: string): boolean;
}

/** Untrusted proxies that are remembered and named. A network has a few; a flood of others is not logged one by one. */
const MAX_SHARED = 1_000;

export function createPeers(
  isTrusted: (address: string) => boolean,
  /** Called once for each peer that sends `X-Forwarded-For` without being trusted. */
  onUntrustedProxy: (peer: string) => void,
): Peers {
  const read = createPeerReader();
  const shared = new Set<string>();

  function noteProxy(peer: string): void {
    if (shared.has(peer) || shared.size >= MAX_SHARED) return;
    shared.add(peer);
    onUntrustedProxy(peer);
  }

  return {
    sourceOf(peer, forwardedFor) {
      let source = read(peer).address;
      if (forwardedFor === undefined || source === '') return source;
      if (!isTrusted(source)) {
        noteProxy(source);
        return source;
      }
      const hops = forwardedFor.split(',');
      while (isTrusted(source) && hops.length > 0) {
        const hop = readAddress((hops.pop() ?? '').trim());
        if (hop === null) break;
        source = hop.address;
      }
      return source;
    },
    isShared: (address) => shared.has(address),
  };
}
