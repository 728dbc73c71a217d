import type { Crypto } from '../../../core/crypto/crypto.ts';
import { toBase64Url } from '../../../core/crypto/encoding.ts';

/**
 * What makes the secrets of the subscriptions we keep. All of it follows from `SALLYPORT_ID_KEY`, so a notification that
 * arrives before our own create call has returned is verified without a store, also at the edge, and a subscription that
 * outlived its record is still recognised as ours.
 */
export interface ClientStates {
  /** The last part of the notification URLs: 22 characters of base64url, one per resource and change type. */
  nonceOf(tenant: string, resource: string, changeType: string): string;
  /** The `clientState` of the subscription behind that URL: 46 characters (Graph allows 128). */
  stateOf(tenant: string, nonce: string): string;
}

/** 128 bits. */
const NONCE_BYTES = 16;

export function createClientStates(crypto: Crypto, idKey: Uint8Array): ClientStates {
  const key = crypto.hmacSha256(idKey, 'graph-client-state');
  // No part but the last can hold a line break, so no two lists of parts are the same text.
  const digest = (...parts: readonly string[]): Uint8Array => crypto.hmacSha256(key, parts.join('\n'));
  return {
    nonceOf: (tenant, resource, changeType) =>
      toBase64Url(digest('nonce', tenant, changeType, resource).subarray(0, NONCE_BYTES)),
    stateOf: (tenant, nonce) => `v1.${toBase64Url(digest('state', tenant, nonce))}`,
  };
}
