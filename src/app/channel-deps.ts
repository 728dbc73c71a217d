import type { Clock } from '../core/clock.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import type { Identifier } from '../core/identity.ts';
import type { Clients } from '../net/clients.ts';

/** What every channel's ingress half is made with. */
export interface ChannelDeps {
  readonly crypto: Crypto;
  readonly identifier: Identifier;
  readonly clients: Clients;
  readonly clock: Clock;
}
