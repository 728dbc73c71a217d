import type { Crypto } from '../../../core/crypto/crypto.ts';
import { isJsonObject, type JsonValue } from '../../../core/json/json.ts';
import type { QuarantineReason } from '../sync/reasons.ts';
import type { ClientStates } from './client-state.ts';

/** Longest `clientState` Graph hands out (changeNotification type: 255); nothing longer is hashed. */
const MAX_STATE_CHARS = 255;

export interface VerifierDeps {
  readonly crypto: Crypto;
  readonly states: ClientStates;
  /** The Entra tenant whose notifications belong to the route's tenant. */
  readonly entraTenantId: string;
  /** `GRAPH_CLIENT_STATE`: secrets of hand-made subscriptions; none where there are no such subscriptions. */
  readonly handMadeStates: readonly string[];
}

/** Why an item is not to be trusted; null when it is authentic. Takes as long for an unknown subscription as for a known one. */
export type VerifyItem = (item: JsonValue) => QuarantineReason | null;

/**
 * Proves items one by one, because one request may mix subscriptions and tenants. The proof is the knowledge of the
 * subscription's secret; it is bound neither to the item nor to the time, so an item is a hint and nothing more.
 */
export function createItemVerifier({ crypto, states, entraTenantId, handMadeStates }: VerifierDeps) {
  // Digests under a key nobody knows: comparing them tells nothing about where two secrets differ.
  const key = crypto.random(32);
  const dummy = crypto.hmacSha256(key, crypto.random(32));
  const handMade = handMadeStates.map((state) => crypto.hmacSha256(key, state));
  const expectedTenant = entraTenantId.toLowerCase();
  return (tenant: string, nonce: string | undefined): VerifyItem => {
    const known = nonce === undefined ? handMade : [crypto.hmacSha256(key, states.stateOf(tenant, nonce))];
    const expected = known.length > 0 ? known : [dummy];
    return (item) => {
      if (!isJsonObject(item)) return 'bad_item';
      const { clientState, tenantId } = item;
      const isState = typeof clientState === 'string' && clientState.length <= MAX_STATE_CHARS;
      const given = crypto.hmacSha256(key, isState ? clientState : '');
      let matches = false;
      for (const each of expected) matches = crypto.equal(each, given) || matches;
      if (known.length === 0) return 'unknown_subscription';
      if (!matches) return 'client_state';
      return typeof tenantId === 'string' && tenantId.toLowerCase() === expectedTenant ? null : 'other_tenant';
    };
  };
}
