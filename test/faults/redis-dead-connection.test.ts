import { Redis } from 'ioredis';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys, repliesPosted, type Sent, seeded, sendAll, sleep, violations } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, type RedisServer, startRedis, startSentinel } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

/** Promised in docs/configuration.md, in ms: an ingress accepts again so long after its connections died, at the latest. */
const ACCEPTS_WITHIN_MS = 10_000;
/** And a worker has finished an event that was accepted since. */
const FINISHES_WITHIN_MS = 15_000;

interface World {
  readonly slack: SlackServer;
  readonly ingress: RoleProcess;
  readonly worker: RoleProcess;
  readonly signingSecret: string;
}

async function startWorld(redisUrl: string, settings: Readonly<Record<string, string>> = {}): Promise<World> {
  const folder = await testFolder();
  const slack = await startSlackServer();
  onTestFinished(() => slack.stop());
  const keys = freshKeys();
  const environment = { ...keys, SALLYPORT_REDIS_URL: redisUrl, SLACK_API_URL: slack.url, ...settings };
  const start = async (role: string) => {
    const started = await startRole({ role, environment, folder });
    onTestFinished(() => started.kill());
    return started;
  };
  const [ingress, worker] = await Promise.all([start('ingress'), start('worker')]);
  return { slack, ingress, worker, signingSecret: keys.SLACK_SIGNING_SECRET };
}

/** The status of the answer; 0 when there was none. */
async function post({ ingress, signingSecret }: World, text: string): Promise<number> {
  const payload = slackJson(slackMessage({ at: Date.now(), text, channel: `D${text}` }));
  const { headers, body } = signSlackRequest(payload, { signingSecret, at: Date.now() });
  const signal = AbortSignal.timeout(3_000);
  return fetch(`${ingress.url}/hooks/slack/default`, { method: 'POST', headers, body: Buffer.from(body), signal }).then(
    ({ status }) => status,
    () => 0,
  );
}

/** Sends new messages until one is accepted; returns its text. */
function untilAccepted(world: World, name: string): Promise<string> {
  let sent = 0;
  return vi.waitFor(
    async () => {
      sent += 1;
      const text = `${name}${sent}`;
      expect(await post(world, text)).toBe(200);
      return text;
    },
    { timeout: 30_000, interval: 50 },
  );
}

const repliesTo = ({ slack }: World, text: string) =>
  slack.posts.filter((each) => each.text === `echo: ${text}`).length;

const untilReplied = (world: World, text: string) =>
  vi.waitFor(() => expect(repliesTo(world, text)).toBe(1), { timeout: 30_000, interval: 20 });

const untilReady = ({ ingress, worker }: World) =>
  vi.waitFor(
    async () => {
      for (const { url } of [ingress, worker]) expect((await fetch(`${url}/ready`)).status).toBe(200);
    },
    { timeout: 20_000, interval: 100 },
  );

/** Breaks the connections of a gate that is idle and measures how long it is without them. */
async function expectRecovery(world: World, breakIt: () => void): Promise<void> {
  const processes = [world.ingress, world.worker].map(({ child }) => child.pid);
  const before = await untilAccepted(world, 'before');
  await untilReplied(world, before);
  const brokenAt = performance.now();
  breakIt();
  const after = await untilAccepted(world, 'after');
  const acceptedMs = performance.now() - brokenAt;
  await untilReplied(world, after);
  const finishedMs = performance.now() - brokenAt;
  if (process.env.MEASURE) console.info(`MEASURED ${Math.round(acceptedMs)} ${Math.round(finishedMs)}`);
  expect(acceptedMs).toBeLessThan(ACCEPTS_WITHIN_MS);
  expect(finishedMs).toBeLessThan(FINISHES_WITHIN_MS);
  await untilReady(world);
  expect([world.ingress, world.worker].map(({ child }) => child.pid)).toEqual(processes);
  expect(repliesTo(world, before)).toBe(1);
}

/** Breaks them while messages come, which are sent again until they are acknowledged. */
async function expectNothingLost(world: World, breakIt: () => void): Promise<void> {
  const history: Sent[] = [];
  const load = { conversations: 20, perConversation: 20, rate: 100, duplicates: 0.3, random: seeded(1), history };
  const sending = sendAll({ ...load, targets: [world.ingress], signingSecret: world.signingSecret });
  await vi.waitFor(() => expect(world.slack.posts.length).toBeGreaterThan(20), { timeout: 20_000 });
  breakIt();
  await sending;
  await repliesPosted(world.slack, history.length);
  // Whatever would be posted a second time gets the time to be.
  await sleep(1_000);
  expect(history).toHaveLength(400);
  expect(history.some(({ answers }) => answers.includes('refused') || answers.includes('unknown'))).toBe(true);
  expect(violations(history, world.slack)).toEqual([]);
}

async function startRedisUntilEnd(...args: readonly string[]): Promise<RedisServer> {
  const server = await startRedis({ args });
  onTestFinished(() => server.stop());
  return server;
}

async function startBehindProxy(): Promise<{ proxy: TcpProxy; redis: RedisServer; url: string }> {
  const redis = await startRedisUntilEnd();
  const proxy = await startTcpProxy(redis.port);
  onTestFinished(() => proxy.close());
  return { proxy, redis, url: `redis://127.0.0.1:${proxy.port}` };
}

/** Fails unless the same connections exist during longer than two of them could count as dead in turn. */
async function expectSteady(redis: RedisServer): Promise<void> {
  const admin = new Redis(redis.port);
  try {
    const connections = async () => {
      const list = String(await admin.client('LIST')).split('\n');
      for (const blocked of ['blpop', 'bzpopmin']) expect(list.join()).toContain(`cmd=${blocked}`);
      const received = /total_connections_received:\d+/.exec(await admin.info('stats'))?.[0];
      return { received, ids: new Set(list.map((line) => line.split(' ')[0])) };
    };
    // Between two blocking reads there is a moment in which nothing blocks.
    const seen = () => vi.waitFor(connections, { timeout: 5_000, interval: 20 });
    const before = await seen();
    await sleep(8_000);
    expect(await seen()).toEqual(before);
  } finally {
    admin.disconnect();
  }
}

interface SentinelGroup {
  readonly url: string;
  readonly master: RedisServer;
}

/** A master with two replicas, so that one is left to acknowledge what its successor accepts. */
async function startSentinelGroup(): Promise<SentinelGroup> {
  const master = await startRedisUntilEnd();
  const follow = () => startRedisUntilEnd('--replicaof', `127.0.0.1 ${master.port}`);
  await Promise.all([follow(), follow()]);
  const sentinel = await startSentinel(master.port);
  onTestFinished(() => sentinel.stop());
  const watch = new Redis(sentinel.port);
  await vi.waitFor(
    async () => {
      const replicas = String(await watch.call('SENTINEL', 'replicas', 'main'));
      expect(replicas.match(/master-link-status,ok/g)).toHaveLength(2);
    },
    { timeout: 30_000, interval: 200 },
  );
  watch.disconnect();
  return { url: `redis+sentinel://127.0.0.1:${sentinel.port}/main`, master };
}

const replicated = { SALLYPORT_MIN_REPLICAS: '1' };

describeRedis('connections to Redis that are dead without having ended', () => {
  test('after a master froze under Sentinel are given up by ingress and worker', async () => {
    const { url, master } = await startSentinelGroup();
    const world = await startWorld(url, replicated);
    await expectRecovery(world, () => master.pause());
  }, 120_000);

  test('after a master froze under Sentinel cost no acknowledged message and double none', async () => {
    const { url, master } = await startSentinelGroup();
    const world = await startWorld(url, replicated);
    await expectNothingLost(world, () => master.pause());
  }, 120_000);

  test('after a firewall forgot them are given up by ingress and worker', async () => {
    const { proxy, url } = await startBehindProxy();
    const world = await startWorld(url);
    await expectRecovery(world, () => expect(proxy.hold()).toBeGreaterThan(5));
  }, 120_000);

  test('after a firewall forgot them cost no acknowledged message and double none', async () => {
    const { proxy, url } = await startBehindProxy();
    const world = await startWorld(url);
    await expectNothingLost(world, () => expect(proxy.hold()).toBeGreaterThan(5));
  }, 120_000);

  test('are told from those that are idle or blocked, which are kept, and so are their successors', async () => {
    const { proxy, redis, url } = await startBehindProxy();
    const world = await startWorld(url);
    await untilReplied(world, await untilAccepted(world, 'first'));
    await expectSteady(redis);
    expect(proxy.hold()).toBeGreaterThan(5);
    await vi.waitFor(() => expect(proxy.held).toBe(0), { timeout: ACCEPTS_WITHIN_MS, interval: 50 });
    // BullMQ replaces its blocking connection twice, so that a read it has given up is not sent again.
    await sleep(2_000);
    await expectSteady(redis);
    await untilReplied(world, await untilAccepted(world, 'second'));
    await untilReady(world);
  }, 120_000);
});
