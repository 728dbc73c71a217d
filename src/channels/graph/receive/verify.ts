import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import type { Crypto } from '../../../core/crypto/crypto.ts';
import { toBase64Url } from '../../../core/crypto/encoding.ts';
import { SallyportError } from '../../../core/errors.ts';
import { isJsonObject, type JsonValue } from '../../../core/json/json-text.ts';
import type { Jwks } from '../../../net/jwt/jwks.ts';
import { createTokenVerifier } from '../../../net/jwt/token-verifier.ts';
import type { QuarantineReason } from './payload.ts';

/** Longest `clientState` Graph hands out (changeNotification type: 255); nothing longer is hashed. */
export const MAX_STATE_CHARS = 255;

export interface VerifierDeps {
  readonly crypto: Crypto;
  readonly states: ClientStates;
  /** The Entra tenant whose notifications belong to the route's tenant. */
  readonly entraTenantId: string;
  /** `GRAPH_CLIENT_STATE`: secrets of hand-made subscriptions; none where there are no such subscriptions. */
  readonly handMadeStates: readonly string[];
}

/** What knows the secrets of one URL. */
export interface ItemVerifier {
  /** Why an item is not to be trusted; null when it is authentic. Takes as long for an unknown subscription as for a known one. */
  readonly verify: (item: JsonValue) => QuarantineReason | null;
  /** Whether it is a secret of the URL; the same for all items that carry it. */
  readonly isExpected: (clientState: string) => boolean;
  /** Why an item is not to be trusted whose state is not expected. */
  readonly unexpected: QuarantineReason;
}

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
  return (tenant: string, nonce: string | undefined): ItemVerifier => {
    const known = nonce === undefined ? handMade : [crypto.hmacSha256(key, states.stateOf(tenant, nonce))];
    const expected = known.length > 0 ? known : [dummy];
    const unexpected = known.length === 0 ? 'unknown_subscription' : 'client_state';
    const isExpected = (clientState: string): boolean => {
      const given = crypto.hmacSha256(key, clientState.length <= MAX_STATE_CHARS ? clientState : '');
      let matches = false;
      for (const each of expected) matches = crypto.equal(each, given) || matches;
      return matches;
    };
    return {
      unexpected,
      isExpected,
      verify(item) {
        if (!isJsonObject(item)) return 'bad_item';
        const { clientState, tenantId } = item;
        if (!isExpected(typeof clientState === 'string' ? clientState : '')) return unexpected;
        return typeof tenantId === 'string' && tenantId.toLowerCase() === expectedTenant ? null : 'other_tenant';
      },
    };
  };
}

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

/** The application that publishes change notifications (learn.microsoft.com/graph/change-notifications-with-resource-data). */
const PUBLISHER = '0bf30f3b-4a52-48df-9a82-234910c4a086';

/** Clock difference between Entra and us that is forgiven. */
const TOLERANCE_MS = 60_000;

/**
 * `appid` belongs to tokens of version 1.0 and `azp` to those of 2.0. Looking only at one of them, as published code
 * does, lets anybody in whose own application may put what it likes into the other.
 */
const claimsSchema = z.looseObject({
  tid: z.string().min(1),
  ver: z.enum(['1.0', '2.0']),
  appid: z.string().optional(),
  azp: z.string().optional(),
});
type Claims = z.infer<typeof claimsSchema>;

/**
 * Proves that Microsoft sent a rich notification. Resolves with the Entra tenant (lower case) the token speaks for.
 * @throws SallyportError ERR_TOKEN_*, or ERR_KEYS_UNAVAILABLE when the keys can be neither fetched nor remembered
 */
export type VerifyPublisher = (token: string) => Promise<string>;

export function createPublisherVerifier({
  jwks,
  clock,
  clientId,
}: {
  /** Of Entra. */
  readonly jwks: Jwks;
  readonly clock: Clock;
  /** `GRAPH_CLIENT_ID`: whom the tokens are made out to. */
  readonly clientId: string;
}): VerifyPublisher {
  const verify = createTokenVerifier<Claims>({
    jwks,
    clock,
    claims: claimsSchema,
    audiences: [clientId],
    issuers: ({ tid, ver }) => [
      ver === '1.0' ? `https://sts.windows.net/${tid}/` : `https://login.microsoftonline.com/${tid}/v2.0`,
    ],
    toleranceMs: TOLERANCE_MS,
  });
  return async (token) => {
    const { claims } = await verify(token);
    if ((claims.ver === '1.0' ? claims.appid : claims.azp) !== PUBLISHER) {
      throw new SallyportError('ERR_TOKEN_SENDER', 'the token belongs to another application');
    }
    return claims.tid.toLowerCase();
  };
}
