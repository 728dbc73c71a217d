import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import Database from 'libsql';
import { startHttpAgentServer } from '../../src/testing/agents/http-agent-server.ts';
import { startGmailServer } from '../../src/testing/gmail/server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { type RedisOptions, type RedisServer, startRedis } from './redis.ts';

/** Stores that a release wrote, in `test/fixtures/stores`; `write-old-stores.ts` says how, docs/testing.md when. */
export const storesFolder = join(import.meta.dirname, '..', 'fixtures', 'stores');

/** What both releases are told. The keys are of the tests alone: what is in the fixtures can be opened for ever. */
export const storeSettings = {
  SALLYPORT_SEAL_KEY: Buffer.alloc(32, 11).toString('base64'),
  SALLYPORT_ID_KEY: Buffer.alloc(32, 12).toString('base64'),
  SALLYPORT_JWT_SECRET: 'the-secret-of-the-stores-of-releases',
  SLACK_SIGNING_SECRET: 'signing-secret-of-old-stores',
  SLACK_BOT_TOKEN: 'xoxb-of-old-stores',
  SALLYPORT_AGENT: 'http',
  SALLYPORT_AGENT_SECRET: `whsec_${Buffer.alloc(32, 13).toString('base64')}`,
  // Its times are not moved, so that its hashes hold.
  SALLYPORT_AUDIT_KEEP: '36500d',
  // All messages are of one person.
  SALLYPORT_BUDGET_USER_RUNS_HOUR: 'unlimited',
  GMAIL_PUSH_AUDIENCE: 'https://gate.example/hooks/gmail',
  GMAIL_PUSH_SERVICE_ACCOUNT: 'push@sallyport.iam.gserviceaccount.com',
  GMAIL_PUSH_SUBSCRIPTION: 'projects/sallyport/subscriptions/gmail',
  GMAIL_TOPIC: 'projects/sallyport/topics/gmail',
  GMAIL_MAILBOXES: 'agent@example.com',
};

/** A message of a store, as Slack delivered it. */
export interface StoredMessage {
  readonly id: string;
  readonly text: string;
  readonly state: string;
  readonly payload: unknown;
}

/** What is known of a store beside its bytes. */
export interface StoreFacts {
  readonly release: string;
  /** Epoch ms at which the last process was killed. */
  readonly writtenAt: number;
  readonly messages: readonly StoredMessage[];
  /** Of the agent's request that is answered by a callback. */
  readonly run: string;
  /** What Slack took of a reply whose result the store does not have. */
  readonly taken: {
    readonly channel: string;
    readonly text: string;
    readonly threadTs?: string;
    readonly metadata: unknown;
  };
}

export const readFacts = async (name: string): Promise<StoreFacts> =>
  JSON.parse(await readFile(join(storesFolder, `${name}.json`), 'utf8'));

/** The vendors and the agent of a store, as they were when it was written, and the settings that lead to them. */
export async function startStoreVendors({ taken: { channel, text, threadTs, metadata } }: StoreFacts) {
  const slack = await startSlackServer();
  slack.say(channel, text, { metadata, ...(threadTs !== undefined && { thread_ts: threadTs }) });
  const gmail = await startGmailServer({ clock: Date.now });
  const agent = await startHttpAgentServer({
    secret: storeSettings.SALLYPORT_AGENT_SECRET,
    react: ({ event }) => ({ reply: { text: `answer: ${event.text}` } }),
  });
  return {
    slack,
    agent,
    settings: {
      ...storeSettings,
      SALLYPORT_LEASE: '2s',
      SALLYPORT_REPLY_TIMEOUT: '1s',
      SALLYPORT_AGENT_URL: agent.url,
      SLACK_API_URL: slack.url,
      GMAIL_BASE_URL: gmail.url,
      LOG_LEVEL: 'warn',
    },
    stop: () => Promise.all([slack.stop(), agent.stop(), gmail.stop()]),
  };
}

/** How long a restored store seems to have been left alone, in ms: longer than a reply that nobody saw stays unsettled. */
const LEFT_ALONE_MS = 10 * 60_000;
/** Times of a store: from so long before it was written, in ms, to so long after. Anything else is no time. */
const BEFORE_MS = 3_600_000;
const AFTER_MS = 90 * 86_400_000;

/**
 * Times in a store are absolute, and after a day everything in it would be too old to be run. A store is therefore
 * restored as if it had been written ten minutes ago: each of its times is moved by the same constant. The audit is left
 * as it is, because its hashes hold the times.
 */
interface Move {
  readonly from: number;
  readonly to: number;
  readonly by: number;
}

const moveOf = ({ writtenAt }: StoreFacts): Move => ({
  from: writtenAt - BEFORE_MS,
  to: writtenAt + AFTER_MS,
  by: Date.now() - LEFT_ALONE_MS - writtenAt,
});

const moved = (text: string, { from, to, by }: Move): string =>
  text.replace(/(?<![\w.])\d{13}(?!\w)/g, (digits) =>
    Number(digits) >= from && Number(digits) <= to ? String(Number(digits) + by) : digits,
  );

function unpack(name: string, folder: string): void {
  const file = join(storesFolder, `${name}.tar.gz`);
  const { status, stderr } = spawnSync('tar', ['-xzf', file, '-C', folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
}

/** The data folder of an embedded store, for `SALLYPORT_DATA_DIR`. */
export async function restoreEmbedded(name: string, folder: string): Promise<string> {
  const data = join(folder, 'data');
  await mkdir(data);
  unpack(name, data);
  const move = moveOf(await readFacts(name));
  const database = new Database(join(data, 'sallyport.db'));
  try {
    database.exec('BEGIN');
    for (const { table, column } of columnsOf(database)) {
      const isTime = `typeof(${column}) = 'integer' AND ${column} BETWEEN ${move.from} AND ${move.to}`;
      database.exec(`UPDATE ${table} SET ${column} = ${column} + ${move.by} WHERE ${isTime}`);
      const texts = database
        .prepare(`SELECT DISTINCT ${column} AS text FROM ${table} WHERE typeof(${column}) = 'text'`)
        .all() as { text: string }[];
      for (const { text } of texts.filter((one) => moved(one.text, move) !== one.text)) {
        database.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`).run(moved(text, move), text);
      }
    }
    database.exec('COMMIT');
  } finally {
    database.close();
  }
  return data;
}

const columnsOf = (database: InstanceType<typeof Database>): { table: string; column: string }[] =>
  (
    database
      .prepare(
        `SELECT t.name AS "table", c.name AS "column" FROM sqlite_schema t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'audit%'`,
      )
      .all() as { table: string; column: string }[]
  ).map(({ table, column }) => ({ table: `"${table}"`, column: `"${column}"` }));

/** A Redis that has loaded the store. */
export async function restoreRedis(name: string, options: RedisOptions = {}): Promise<RedisServer> {
  const redis = await startRedis(options);
  await redis.kill();
  await rm(join(redis.folder, 'appendonlydir'), { recursive: true });
  unpack(name, redis.folder);
  await redis.restart();
  const client = new Redis(redis.url);
  try {
    const move = moveOf(await readFacts(name));
    for (const key of await client.keys('*')) if (!key.includes('}:audit')) await moveKey(client, key, move);
  } finally {
    client.disconnect();
  }
  return redis;
}

async function moveKey(client: Redis, key: string, move: Move): Promise<void> {
  const kind = await client.type(key);
  if (kind === 'hash') {
    const fields = await client.hgetall(key);
    for (const [field, value] of Object.entries(fields)) await client.hset(key, field, moved(value, move));
  } else if (kind === 'zset') {
    const pairs = await client.zrange(key, '0', '-1', 'WITHSCORES');
    for (let at = 0; at < pairs.length; at += 2) {
      await client.zadd(key, moved(pairs[at + 1] ?? '', move), pairs[at] ?? '');
    }
  } else if (kind === 'string') {
    await client.set(key, moved((await client.get(key)) ?? '', move), 'KEEPTTL');
  }
}

export interface ApiAnswer {
  readonly status: number;
  readonly json: unknown;
}

const SCOPES =
  'events:read events:write reviews:read reviews:decide budgets:read budgets:write audit:read subscriptions:read subscriptions:write';

/** Calls the API of a gate as `ada`; a body makes it a POST, unless another method is given. */
export async function callGate(url: string, path: string, body?: unknown, method = 'POST'): Promise<ApiAnswer> {
  const token = await new SignJWT({ tenant: 'default', scope: SCOPES })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('ada')
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(Buffer.from(storeSettings.SALLYPORT_JWT_SECRET));
  const headers = { authorization: `Bearer ${token}` };
  const init = body === undefined ? { headers } : { headers, method, body: JSON.stringify(body) };
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, json: await response.json() };
}
