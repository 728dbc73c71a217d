import { VENDOR_CALL_MS } from '../channels/channel.ts';
import { createAccessTokens } from '../channels/graph/api/access-token.ts';
import { createGraphApi, type GraphApi } from '../channels/graph/api/graph-api.ts';
import type { GraphConfig } from '../channels/graph/settings.ts';
import { canBeRich } from '../channels/graph/sync/lifetimes.ts';
import type { Source } from '../channels/graph/sync/subscriptions.ts';
import type { Config } from '../config/schema.ts';
import type { Crypto } from '../core/crypto/crypto.ts';
import type { Clients } from '../net/clients.ts';
import { clientStatesOf } from './graph.ts';

/** The subscriptions a tenant's configuration wants kept, by nonce. */
export function keptSources(
  tenant: string,
  { subscriptions, encryptionCert: der, encryptionKeyIds }: GraphConfig,
  config: Config,
  crypto: Crypto,
): ReadonlyMap<string, Source> {
  const states = clientStatesOf(config, crypto);
  const certificate = der === undefined ? null : { id: encryptionKeyIds[0] ?? '', der };
  return new Map(
    subscriptions.map(({ resource, changeType, rich }) => {
      const nonce = states.nonceOf(tenant, resource, changeType);
      const isRich = rich ?? canBeRich(resource);
      return [nonce, { nonce, resource, changeType, certificate: isRich ? certificate : null }];
    }),
  );
}

/** Of an answer: a mail with all its text. */
const MAX_BYTES = 8 * 1024 * 1024;

/** What every permission an administrator granted is asked for by, at the public cloud and for local servers. */
const PUBLIC_SCOPE = 'https://graph.microsoft.com/.default';

/** Null without credentials. `replyTimeoutMs`: time limit of the call that posts a reply. */
export function graphApiOf(
  { baseUrl, authorityUrl, tenantId, clientId, clientSecret }: GraphConfig,
  clients: Clients,
  replyTimeoutMs = VENDOR_CALL_MS,
): GraphApi | null {
  if (clientId === undefined || clientSecret === undefined) return null;
  const base = new URL(baseUrl);
  const limits = { timeoutMs: Math.max(VENDOR_CALL_MS, replyTimeoutMs), maxBytes: MAX_BYTES };
  const { fetch } = clients.open('vendor', [baseUrl, authorityUrl], limits);
  const tokens = createAccessTokens({
    tokenUrl: new URL(`${tenantId}/oauth2/v2.0/token`, authorityUrl).href,
    clientId,
    clientSecret,
    // National clouds have hosts, and so scopes, of their own; they are never plain http.
    scope: base.protocol === 'https:' ? `${base.origin}/.default` : PUBLIC_SCOPE,
    fetch,
    clock: Date.now,
  });
  return createGraphApi({ baseUrl, tokens, fetch });
}
