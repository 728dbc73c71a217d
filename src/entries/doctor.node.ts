import type { Examination, Examine } from '../cli/commands/doctor.ts';
import type { Config } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto.node.ts';
import { SallyportError } from '../core/errors.ts';
import { createIdentifier } from '../core/identity.ts';
import { silentLogger } from '../core/logger.ts';
import { isReachable, slackAccepts } from '../ops/probes.ts';
import { openStore } from './store.node.ts';

/** What `sallyport doctor` looks at, one entry a line. */
export const examine: Examine = (config) => [
  { name: 'store', run: () => storeIsDurable(config) },
  ...Object.entries(config.tenants).map(
    ([tenant, { slack }]): Examination => ({
      name: `slack credentials (${tenant})`,
      run: async () => (slack?.botToken === undefined ? null : slackAccepts(slack.apiUrl, slack.botToken)),
    }),
  ),
  {
    name: 'public URL',
    run: async () => (config.server.publicUrl === undefined ? null : isReachable(config.server.publicUrl)),
  },
];

async function storeIsDurable(config: Config): Promise<string> {
  const { id } = config.keys;
  if (id === undefined) throw new SallyportError('ERR_CONFIG_INVALID', 'SALLYPORT_ID_KEY: is required');
  const store = await openStore(config, createIdentifier(nodeCrypto, id), silentLogger);
  try {
    await store.check().catch((error: Error) => {
      throw new Error(
        `${config.store.redisUrl === undefined ? 'SALLYPORT_DATA_DIR' : 'SALLYPORT_REDIS_URL'}: ${error.message}`,
      );
    });
    return config.store.redisUrl === undefined ? 'embedded, durable' : 'Redis, durable';
  } finally {
    await store.close();
  }
}
