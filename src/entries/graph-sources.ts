import { createAccessTokens } from '../channels/graph/access-token.ts';
import { createGraphApi, type GraphApi } from '../channels/graph/graph-api.ts';
import type { Wanted } from '../channels/graph/kept.ts';
import { canBeRich } from '../channels/graph/lifetimes.ts';
import type { Source } from '../channels/graph/subscriptions.ts';
import type { GraphConfig } from '../config/graph.ts';

/** The subscriptions a configuration wants kept, by nonce. */
export function sourcesOf(
  { subscriptions, encryptionCert: der, encryptionKeyIds }: GraphConfig,
  nonceOf: (wanted: Wanted) => string,
): ReadonlyMap<string, Source> {
  const certificate = der === undefined ? null : { id: encryptionKeyIds[0] ?? '', der };
  return new Map(
    subscriptions.map(({ resource, changeType, rich }) => {
      const nonce = nonceOf({ resource, changeType });
      const isRich = rich ?? canBeRich(resource);
      return [nonce, { nonce, resource, changeType, certificate: isRich ? certificate : null }];
    }),
  );
}

/** What every permission an administrator granted is asked for by, at the public cloud and for local servers. */
const PUBLIC_SCOPE = 'https://graph.microsoft.com/.default';

/** Null without credentials. */
export function graphApiOf({ baseUrl, authorityUrl, tenantId, clientId, clientSecret }: GraphConfig): GraphApi | null {
  if (clientId === undefined || clientSecret === undefined) return null;
  const base = new URL(baseUrl);
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
