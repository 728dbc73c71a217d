import type { Clock } from '../core/clock.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import type { Identifier } from '../core/identity.ts';

/** What every channel's ingress half is made with. */
export interface ChannelDeps {
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  /** For the keys of token issuers, whose addresses are configured. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}
