import { randomBytes } from 'node:crypto';
import { signPushToken } from '../src/testing/gmail/google-signer.ts';
import { gmailPush, withToken } from '../src/testing/gmail/pubsub-sender.ts';
import { graphDelivery, graphItem } from '../src/testing/graph/signer.ts';
import { type KeyServer, startKeyServer } from '../src/testing/keys/key-server.ts';
import { createSigningKey } from '../src/testing/keys/signing-key.ts';
import { startRedis } from '../test/support/redis.ts';
import { type LoadResult, load } from './load.ts';
import { cpuSeconds, freePort, type Server, start } from './process.ts';

/** Senders other than Slack, over the same Redis and against the same bounds. */

const ENTRA_TENANT = '84bd8158-6d4d-4958-8b9f-9d6445542f95';
const STATE = randomBytes(24).toString('base64url');
const AUDIENCE = 'https://gate.example/hooks/gmail';
const ACCOUNT = 'push@project.iam.gserviceaccount.com';
const SUBSCRIPTION = 'projects/myproject/subscriptions/mysubscription';

/** Notifications in one delivery of Graph: what Microsoft puts together under load. */
export const GRAPH_BATCH = 100;

export interface SenderLoad {
  readonly role: 'ingress' | 'all';
  /** Settings of the process. */
  readonly environment: Readonly<Record<string, string>>;
  readonly request: () => Buffer;
  /** Events in one request. */
  readonly items: number;
  readonly connections: number;
  /** Requests made beforehand. */
  readonly requests: number;
  readonly warmupMs: number;
  readonly measureMs: number;
}

export interface SenderResult extends LoadResult {
  readonly itemsPerSecond: number;
  /** Microseconds of processor time for an event. */
  readonly cpu: number;
}

/** One load on a fresh process and a fresh Redis. */
export async function measureSender(plan: SenderLoad): Promise<SenderResult> {
  const redis = await startRedis();
  const port = await freePort();
  const settings = {
    HOST: '127.0.0.1',
    SALLYPORT_REDIS_URL: redis.url,
    SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_QUEUE_CAP: '10000000',
    SALLYPORT_CHANNEL_RATE: '100000000/1m',
    ...plan.environment,
  };
  const server: Server = await start(['bin/sallyport.js', plan.role], settings, port);
  try {
    const before = cpuSeconds(server.pid);
    const result = await load({ ...plan, port, path: '', secret: '', prepare: plan.request });
    const cpu = ((cpuSeconds(server.pid) - before) / (result.total * plan.items)) * 1e6;
    return { ...result, cpu, itemsPerSecond: result.perSecond * plan.items };
  } finally {
    await server.stop();
    await redis.stop();
  }
}

function post(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const all = { host: 'localhost', 'content-length': String(body.byteLength), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
}

/** Change notifications of mail, every one of another message. */
export function graphSender(items: number): Pick<SenderLoad, 'environment' | 'items' | 'request'> {
  let made = 0;
  const item = () => {
    made += 1;
    const id = `AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A${String(made).padStart(40, '0')}=`;
    const resource = `Users/ddfcd489-628b-40d7-b48b-57002df800e5/Messages/${id}`;
    return graphItem({ tenantId: ENTRA_TENANT, clientState: STATE, resource, expiresAt: Date.now() });
  };
  return {
    items,
    environment: { GRAPH_TENANT_ID: ENTRA_TENANT, GRAPH_CLIENT_STATE: STATE },
    request: () => {
      const { body, headers } = graphDelivery(Array.from({ length: items }, item));
      return post('/hooks/graph/default', headers, body);
    },
  };
}

/** Pushes of Pub/Sub with one token, as Google sends them for an hour; each tells of another change of a mailbox. */
export async function gmailSender(): Promise<
  Pick<SenderLoad, 'environment' | 'items' | 'request'> & { readonly keys: KeyServer }
> {
  const key = createSigningKey({ kid: 'bench' });
  const keys = await startKeyServer([key]);
  const token = signPushToken({ key, audience: AUDIENCE, serviceAccount: ACCOUNT, at: Date.now() });
  let made = 0;
  return {
    keys,
    items: 1,
    environment: {
      GMAIL_PUSH_AUDIENCE: AUDIENCE,
      GMAIL_PUSH_SERVICE_ACCOUNT: ACCOUNT,
      GMAIL_PUSH_SUBSCRIPTION: SUBSCRIPTION,
      GMAIL_MAILBOXES: Array.from({ length: 8 }, (_, n) => `user${n}@example.com`).join(','),
      GOOGLE_JWKS_URL: keys.jwksUrl,
    },
    request: () => {
      made += 1;
      const push = gmailPush({
        mailbox: `user${made % 8}@example.com`,
        historyId: String(1_000_000 + made),
        subscription: SUBSCRIPTION,
        messageId: String(10_000_000_000 + made),
        at: Date.now(),
      });
      const { headers, body } = withToken(push, token);
      return post('/hooks/gmail/default', headers, body);
    },
  };
}
