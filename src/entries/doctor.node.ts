import { examineGmail } from '../channels/gmail/examine.ts';
import { examineGraph } from '../channels/graph/examine.ts';
import type { Examination, Examine } from '../cli/commands/doctor.ts';
import type { GmailConfig } from '../config/gmail.ts';
import type { GraphConfig } from '../config/graph.ts';
import type { Config } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto.node.ts';
import { SallyportError } from '../core/errors.ts';
import { createIdentifier } from '../core/identity.ts';
import { silentLogger } from '../core/logger.ts';
import { isReachable, slackAccepts } from '../ops/probes.ts';
import { openGmailClient } from './gmail-client.node.ts';
import { graphApiOf, keptSources } from './graph-sources.ts';
import { modelExaminations } from './model-checks.node.ts';
import { openStore } from './store.node.ts';

/** Milliseconds a vendor may take for a token and its answers. */
const ANSWER_MS = 10_000;

/** What `sallyport doctor` looks at, one entry a line. */
export const examine: Examine = (config) => [
  { name: 'store', run: () => storeIsDurable(config) },
  ...Object.entries(config.tenants).flatMap(([tenant, { slack, graph, gmail }]): Examination[] => [
    {
      name: `slack credentials (${tenant})`,
      run: async () => (slack?.botToken === undefined ? null : slackAccepts(slack.apiUrl, slack.botToken)),
    },
    ...(graph === undefined ? [] : [{ name: `graph (${tenant})`, run: () => graphIsWell(tenant, graph, config) }]),
    ...(gmail === undefined ? [] : [{ name: `gmail (${tenant})`, run: () => gmailIsRead(gmail) }]),
  ]),
  ...modelExaminations(config),
  {
    name: 'public URL',
    run: async () => (config.server.publicUrl === undefined ? null : isReachable(config.server.publicUrl)),
  },
];

const gmailIsRead = (gmail: GmailConfig): Promise<string> =>
  examineGmail(openGmailClient(gmail), gmail.mailboxes, AbortSignal.timeout(ANSWER_MS));

async function graphIsWell(tenant: string, graph: GraphConfig, config: Config): Promise<string | null> {
  const api = graphApiOf(graph);
  if (api === null) return null;
  return examineGraph(api, keptSources(tenant, graph, config, nodeCrypto).values(), AbortSignal.timeout(ANSWER_MS));
}

async function storeIsDurable(config: Config): Promise<string> {
  const { id } = config.keys;
  if (id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const store = await openStore(config, createIdentifier(nodeCrypto, id), silentLogger);
  try {
    await store.check().catch((error: Error) => {
      const setting = config.store.redisUrl === undefined ? 'SALLYPORT_DATA_DIR' : 'SALLYPORT_REDIS_URL';
      throw new Error(`${setting}: ${error.message}`);
    });
    return config.store.redisUrl === undefined ? 'embedded, durable' : 'Redis, durable';
  } finally {
    await store.close();
  }
}
