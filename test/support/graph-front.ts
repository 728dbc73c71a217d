import { createClientStates } from '../../src/channels/graph/receive/verify.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { type KeyServer, startKeyServer } from '../../src/testing/keys/key-server.ts';
import { createSigningKey } from '../../src/testing/keys/signing-key.ts';
import { createFakeClock } from './clock.ts';
import { type Front, ID_KEY, type OpenFront } from './fronts.ts';
import { CLIENT_STATE, certificate, olderCertificate } from './graph-gate.ts';

/** Graph's issuer, and the app that its notifications are for. */
export interface GraphIssuer {
  readonly keys: KeyServer;
  readonly key: ReturnType<typeof createSigningKey>;
  readonly tenantId: string;
  readonly clientId: string;
}

const key = createSigningKey();

export async function startGraphIssuer({
  tenantId = '0d1a6d0c-5a0e-4a52-a3cd-5a2f3c9c8b11',
  clientId = '5a0a4f3e-28b8-4a5c-9d0d-6f0b0a6c7d22',
} = {}): Promise<GraphIssuer> {
  return { keys: await startKeyServer([key]), key, tenantId, clientId };
}

const clock = createFakeClock();

/** A front with Graph behind it: `/hooks/graph/default`. */
export interface GraphFront extends Front {
  readonly clock: typeof clock;
  /** Makes the secrets of kept subscriptions, as the front does. */
  readonly states: ReturnType<typeof createClientStates>;
  /** Posts to `/hooks/graph/default` and what follows it. */
  post(
    rest: string,
    init: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string | Uint8Array;
      readonly source?: string;
    },
  ): Promise<Response>;
}

export async function openGraphFront(
  openFront: OpenFront,
  { keys, tenantId, clientId }: GraphIssuer,
  settings: Readonly<Record<string, string>> = {},
): Promise<GraphFront> {
  const front = await openFront({
    clock: clock.now,
    settings: {
      GRAPH_TENANT_ID: tenantId,
      GRAPH_CLIENT_ID: clientId,
      GRAPH_CLIENT_STATE: CLIENT_STATE,
      GRAPH_ENCRYPTION_KEY: `${certificate.privateKey},${olderCertificate.privateKey}`,
      GRAPH_ENCRYPTION_KEY_ID: `${certificate.id},${olderCertificate.id}`,
      GRAPH_JWKS_URL: keys.jwksUrl,
      ...settings,
    },
  });
  return {
    ...front,
    clock,
    states: createClientStates(nodeCrypto, ID_KEY),
    post: (rest, { headers = { 'content-type': 'application/json' }, body, source }) =>
      front.request(
        new Request(`https://gate.example/hooks/graph/default${rest}`, {
          method: 'POST',
          headers: { ...headers, ...(source !== undefined && { 'cf-connecting-ip': source }) },
          body: typeof body === 'string' ? body : new Uint8Array(body),
        }),
      ),
  };
}
