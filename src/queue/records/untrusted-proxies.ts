import * as z from 'zod';
import type { Records } from '../records.ts';
import { createCollection } from './collection.ts';

/** Peers that sent `X-Forwarded-For` without being trusted, for those who look after the configuration. */
export interface UntrustedProxies {
  /** @throws SallyportError ERR_STORE_UNAVAILABLE */
  note(peer: string, at: number): Promise<void>;
  /** Those seen since then, in epoch ms. @throws SallyportError ERR_STORE_UNAVAILABLE */
  since(at: number): Promise<readonly string[]>;
}

/** Not a tenant's records: tenants cannot have an underscore in their name. */
const SYSTEM = '_system';
const NAME = 'all';
/** The latest that are kept: anyone can send the header. */
const MAX_PEERS = 16;

const schema = z.object({ v: z.literal(1), peers: z.array(z.object({ peer: z.string(), at: z.number() })) });

export function createUntrustedProxies(records: Records): UntrustedProxies {
  const collection = createCollection(records, 'untrusted-proxies', schema);
  return {
    note: async (peer, at) => {
      await collection.update(SYSTEM, NAME, (known) => {
        const others = (known?.peers ?? []).filter((one) => one.peer !== peer);
        return { v: 1, peers: [{ peer, at }, ...others].slice(0, MAX_PEERS) };
      });
    },
    since: async (at) => {
      const known = await collection.get(SYSTEM, NAME);
      return (known?.peers ?? []).filter((one) => one.at >= at).map(({ peer }) => peer);
    },
  };
}
