import type { Replier } from '../../../src/channels/channel.ts';
import { createGmailClient, noCredentials } from '../../../src/channels/gmail/api/client.ts';
import { createGmailReplier } from '../../../src/channels/gmail/reply/reply.ts';
import { createGraphApi } from '../../../src/channels/graph/api/graph-api.ts';
import { createGraphReplier } from '../../../src/channels/graph/reply/reply.ts';
import { createSlackReplier } from '../../../src/channels/slack/reply/reply.ts';
import { createTeamsReplier } from '../../../src/channels/teams/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { createAccessTokens } from '../../../src/net/client-credentials.ts';
import type { Store } from '../../../src/queue/store.ts';
import type { Scrub } from '../../../src/scrub/scrub.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { createGuardrails } from '../../../src/workers/guardrails/guardrails.ts';
import type { RunDeps } from '../../../src/workers/run.ts';
import { auditOver } from '../audit.ts';
import { budgetsOver } from '../budget.ts';
import { reviewing } from '../review.ts';
import { SEAL_KEY, type Vendor, type WorkerPlan } from './plan.ts';

/** What posts replies at the vendors of a plan, composed as the product composes it. */
export function createRepliers({ urls, graph }: Pick<WorkerPlan, 'urls' | 'graph'>, scrub: Scrub) {
  const sealer = createSealer(nodeCrypto, [SEAL_KEY]);
  const base = { clock: Date.now, logger: silentLogger, sealer };
  // Looked up at each call, so that a test may stand in for it.
  const fetch: typeof globalThis.fetch = (input, init) => globalThis.fetch(input, init);
  const tokens = createAccessTokens({
    ...graph,
    tokenUrl: new URL(`${graph.tenantId}/oauth2/v2.0/token`, urls.graph).href,
    scope: 'https://graph.microsoft.com/.default',
    fetch,
    clock: Date.now,
  });
  const credentials = { clientId: 'app', clientSecret: 'password', tokenUrl: urls.teamsToken, scope: 'scope', fetch };
  const client = createGmailClient({ baseUrl: urls.gmail, credentials: noCredentials, fetch, timeoutMs: 10_000 });
  return {
    slack: createSlackReplier({ ...base, fetch, apiUrl: urls.slack, botToken: 'xoxb-local-token-for-tests' }),
    graph: createGraphReplier({ ...base, api: createGraphApi({ baseUrl: urls.graph, tokens, fetch }) }),
    teams: createTeamsReplier({ ...base, credentials, serviceHosts: [new URL(urls.teams).host], fetch }),
    gmail: createGmailReplier({ client, scrub }),
  } satisfies Record<Vendor, Replier>;
}

/** What a worker needs beside its agent, repliers and times, with nothing that would hold a reply back. */
export const createWorkerDeps = (store: Store, scrub: Scrub) =>
  ({
    guardrailsWith: (own) => createGuardrails(own, { meter: silentMeter, logger: silentLogger }),
    memory: null,
    reader: () => null,
    inbox: store.inbox,
    prepare: () => [],
    scrub,
    meter: silentMeter,
    clock: Date.now,
    blockedNotice: null,
    disclosureOf: () => null,
    openBudget: budgetsOver(store),
    logger: silentLogger,
    ...reviewing(),
    audit: auditOver(store),
  }) satisfies Partial<RunDeps>;
