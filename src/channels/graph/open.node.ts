import { randomUUID } from 'node:crypto';
import { trimEndOf } from '../../core/text/cap.ts';
import { createAccessTokens } from '../../net/client-credentials.ts';
import { VENDOR_CALL_MS } from '../channel.ts';
import type { CheckDeps, NodeHalf } from '../module.node.ts';
import type { ModuleDeps } from '../module.ts';
import { createGraphApi, type GraphApi, loadGraphClient, pagesOf } from './api/graph-api.ts';
import { createGraphReader, createOwnMailboxes } from './read/reader.ts';
import { createIdentify } from './receive/identify.ts';
import { cannotReact, createReact } from './receive/lifecycle.ts';
import { type ClientStates, createClientStates } from './receive/verify.ts';
import { createGraphReplier } from './reply/reply.ts';
import type { GraphConfig } from './settings.ts';
import { createGraphKeeperTask, createUpkeep } from './sync/keeper.ts';
import { createHandMade, createKeptStore } from './sync/kept.ts';
import { createResync } from './sync/resync.ts';
import { canBeRich, createSubscriptions, type Source } from './sync/subscriptions.ts';

/** Milliseconds Microsoft may take for a token and its answers. */
const ANSWER_MS = 10_000;

/** Of an answer: a mail with all its text. */
const MAX_BYTES = 8 * 1024 * 1024;

/** What every permission an administrator granted is asked for by, at the public cloud and for local servers. */
const PUBLIC_SCOPE = 'https://graph.microsoft.com/.default';

export const graphNode: NodeHalf<GraphConfig> = {
  load: loadGraphClient,
  open(graph, deps) {
    const { tenant, identifier, clock, logger, records, accept, windowMs } = deps;
    const states = createClientStates(deps.crypto, deps.idKey);
    const identify = createIdentify({ identifier, entraTenantId: graph.tenantId, windowMs });
    const store = createKeptStore(records, tenant);
    const handMade = createHandMade(records, tenant, identifier);
    const api = openApi(graph, deps, deps.replyTimeoutMs);
    if (api === null) {
      if (deps.isStandIn !== true) logger.warn({ tenant, setting: 'GRAPH_CLIENT_SECRET' }, 'graph.no-credentials');
      return { reader: createGraphReader({ access: null, react: cannotReact, store, handMade, identify, clock }) };
    }
    const base = { api, store, tenant, clock, logger };
    const sources = sourcesOf(tenant, graph, states);
    const publicUrl = deps.publicUrl ?? '';
    const subscriptions = createSubscriptions({ ...base, states, publicUrl, random: Math.random });
    const resync = createResync({ ...base, identify });
    const upkeep = createUpkeep({ store, subscriptions, resync, clock });
    const react = createReact({ ...base, sources, upkeep, resync, handMade });
    const access = { api, ownMailbox: createOwnMailboxes(api) };
    return {
      reader: createGraphReader({ access, react, store, handMade, identify, clock }),
      replier: createGraphReplier(base),
      ...(sources.size > 0 && { task: createGraphKeeperTask({ ...base, subscriptions, upkeep, sources, accept }) }),
    };
  },
  checks: (graph, deps) => [
    {
      name: `graph (${deps.tenant})`,
      async run() {
        const api = openApi(graph, deps);
        if (api === null) return null;
        const sources = sourcesOf(deps.tenant, graph, createClientStates(deps.crypto, deps.idKey));
        return examineGraph(api, sources.values(), AbortSignal.timeout(ANSWER_MS));
      },
    },
    {
      name: `graph notification URL (${deps.tenant})`,
      run: async () => (deps.publicUrl === undefined ? null : probeNotificationUrl(deps.publicUrl, deps)),
    },
  ],
  sample: async () => (await import('./sample.node.ts')).graphSample,
  onboarding: async () => (await import('./onboarding.node.ts')).graphOnboarding,
};

/** The subscriptions a tenant's configuration wants kept, by nonce. */
function sourcesOf(
  tenant: string,
  { subscriptions, encryptionCert: der, encryptionKeyIds }: GraphConfig,
  states: ClientStates,
): ReadonlyMap<string, Source> {
  const certificate = der === undefined ? null : { id: encryptionKeyIds[0] ?? '', der };
  return new Map(
    subscriptions.map(({ resource, changeType, rich }) => {
      const nonce = states.nonceOf(tenant, resource, changeType);
      const isRich = rich ?? canBeRich(resource);
      return [nonce, { nonce, resource, changeType, certificate: isRich ? certificate : null }];
    }),
  );
}

/** Null without credentials. `replyTimeoutMs`: time limit of the call that posts a reply. */
function openApi(
  { baseUrl, authorityUrl, tenantId, clientId, clientSecret }: GraphConfig,
  { openFetch, clock }: Pick<ModuleDeps<GraphConfig>, 'openFetch' | 'clock'>,
  replyTimeoutMs = VENDOR_CALL_MS,
): GraphApi | null {
  if (clientId === undefined || clientSecret === undefined) return null;
  const limits = { timeoutMs: Math.max(VENDOR_CALL_MS, replyTimeoutMs), maxBytes: MAX_BYTES };
  const fetch = openFetch([baseUrl, authorityUrl], limits);
  const base = new URL(baseUrl);
  const tokens = createAccessTokens({
    tokenUrl: new URL(`${tenantId}/oauth2/v2.0/token`, authorityUrl).href,
    clientId,
    clientSecret,
    // National clouds have hosts, and so scopes, of their own; they are never plain http.
    scope: base.protocol === 'https:' ? `${base.origin}/.default` : PUBLIC_SCOPE,
    fetch,
    clock,
  });
  return createGraphApi({ baseUrl, tokens, fetch });
}

/**
 * Whether Graph takes our credentials and has the subscriptions we want; says so in a line.
 * @throws Error whose text names the setting to look at, or SallyportError ERR_SOURCE_* when Graph does not say
 */
async function examineGraph(api: GraphApi, sources: Iterable<Source>, signal: AbortSignal): Promise<string> {
  const urls: string[] = [];
  for await (const page of pagesOf(api, { path: '/subscriptions', signal })) {
    urls.push(...page.map(({ notificationUrl }) => String(notificationUrl)));
  }
  const wanted = [...sources];
  const missing = wanted.filter(({ nonce }) => !urls.some((url) => url.endsWith(`/${nonce}`)));
  if (missing.length > 0) {
    throw new Error(`GRAPH_SUBSCRIPTIONS: ${missing.length} of ${wanted.length} are not there; is a worker running?`);
  }
  return wanted.length === 0 ? 'accepted' : `accepted, ${wanted.length} subscriptions are there`;
}

/** Does what Graph does before it makes a subscription: sends a token that has to come back. */
async function probeNotificationUrl(publicUrl: string, { tenant, openFetch }: CheckDeps<GraphConfig>): Promise<string> {
  const token = randomUUID();
  const url = `${trimEndOf(publicUrl, '/')}/hooks/graph/${tenant}?validationToken=${token}`;
  const init = { method: 'POST', signal: AbortSignal.timeout(ANSWER_MS) };
  const response = await openFetch([publicUrl])(url, init).catch(() => {
    throw new Error('SALLYPORT_PUBLIC_URL: nothing answers there; is a tunnel or proxy running?');
  });
  if (response.status === 200 && (await response.text()) === token) return 'validated as Graph does it';
  throw new Error(
    `SALLYPORT_PUBLIC_URL: a validation request is answered ${response.status}; no gate with this tenant is behind it`,
  );
}
