import type { Examination, Examine } from '../cli/commands/doctor.ts';
import type { Config } from '../config/schema.ts';
import { nodeCrypto } from '../core/crypto.node.ts';
import { SallyportError } from '../core/errors.ts';
import { createIdentifier } from '../core/identity.ts';
import { silentLogger } from '../core/logger.ts';
import { openStore } from './store.node.ts';

/** Milliseconds a vendor or our own public URL may take to answer. */
const ANSWER_MS = 5_000;
/** Half of what Slack's signatures and our tokens forgive is left for the network (seconds). */
const SKEW_SECONDS = 30;

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
    await store.check();
    return config.store.redisUrl === undefined ? 'embedded, durable' : 'Redis, durable';
  } finally {
    await store.close();
  }
}

/** Also the clock: Slack's `Date` header against ours. */
async function slackAccepts(apiUrl: string, botToken: string): Promise<string> {
  const headers = { authorization: `Bearer ${botToken}` };
  const response = await ask(new URL('auth.test', apiUrl), { method: 'POST', headers });
  const body = (await response.json().catch(() => ({}))) as { ok?: boolean };
  if (body.ok !== true) throw new Error('SLACK_BOT_TOKEN: Slack does not accept it');
  const skew = Math.abs(Date.now() - Date.parse(response.headers.get('date') ?? '')) / 1000;
  if (skew > SKEW_SECONDS) throw new Error(`the clock is ${Math.round(skew)} s off Slack's: set it by NTP`);
  return `accepted, clock within ${Math.ceil(skew) || 1} s`;
}

async function isReachable(publicUrl: string): Promise<string> {
  const response = await ask(new URL('health', publicUrl.replace(/\/*$/, '/')), {});
  if (!response.ok) throw new Error(`SALLYPORT_PUBLIC_URL: /health answers ${response.status}`);
  return 'reachable';
}

async function ask(url: URL, init: RequestInit): Promise<Response> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => {
    throw new Error(`nothing answers at ${url.origin}`);
  });
}
