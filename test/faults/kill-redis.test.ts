import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import {
  freshKeys,
  isAcknowledged,
  repliesPosted,
  type Sent,
  seeded,
  sendAll,
  sleep,
  violations,
} from '../support/campaign.ts';
import { MIN_KILLS, pick, underFire, type Victim } from '../support/nemesis.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { CAMPAIGN_MS, seeds } from '../support/seeds.ts';

interface World {
  readonly redis: RedisServer;
  readonly slack: SlackServer;
  readonly ingresses: readonly RoleProcess[];
  readonly workers: readonly RoleProcess[];
  readonly signingSecret: string;
  readonly folder: string;
}

let world: World | undefined;

async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-kill-'));
  const [redis, slack] = await Promise.all([startRedis(), startSlackServer()]);
  const keys = freshKeys();
  const environment = {
    ...keys,
    SALLYPORT_REDIS_URL: redis.url,
    SLACK_API_URL: slack.url,
    SALLYPORT_LEASE: '2s',
    LOG_LEVEL: 'warn',
  };
  const start = (role: string) => startRole({ role, environment, folder });
  const [ingresses, workers] = await Promise.all([
    Promise.all([start('ingress'), start('ingress')]),
    Promise.all([start('worker'), start('worker')]),
  ]);
  return { redis, slack, ingresses, workers, signingSecret: keys.SLACK_SIGNING_SECRET, folder };
}

afterEach(async () => {
  if (world === undefined) return;
  const { ingresses, workers, redis, slack, folder } = world;
  world = undefined;
  await Promise.all([...ingresses, ...workers].map((role) => role.kill()));
  await Promise.all([redis.stop(), slack.stop()]);
  await rm(folder, { recursive: true, force: true });
});

/** What can be killed, and how likely it is. */
const victims = ({ ingresses, workers, redis }: World): Victim[] => [
  { name: 'ingress', weight: 0.3, strike: (random) => pick(ingresses, random).restart() },
  { name: 'worker', weight: 0.45, strike: (random) => pick(workers, random).restart() },
  { name: 'redis', weight: 0.25, strike: () => redis.restart() },
];

describeRedis('kill -9 of ingress, relay, worker and Redis under load', () => {
  test.each(seeds())(
    'seed %i: every acknowledged message is answered exactly once, in order',
    async (seed) => {
      world = await startWorld();
      const random = seeded(seed);
      const history: Sent[] = [];
      const load = { conversations: 50, perConversation: 40, rate: 1_000, duplicates: 0.3, random, history };
      const { slack, ingresses: targets, signingSecret } = world;
      const kills = await underFire(sendAll({ ...load, targets, signingSecret }), {
        victims: victims(world),
        random,
        pending: () => history.filter(isAcknowledged).length - slack.posts.length,
      });
      await repliesPosted(slack, history.length);
      // Whatever would be posted a second time gets the time to be.
      await sleep(1_000);
      expect(violations(history, slack)).toEqual([]);
      expect(history).toHaveLength(2_000);
      expect(kills.struck).toBeGreaterThanOrEqual(MIN_KILLS);
      expect(kills.betweenAckAndEffect).toBeGreaterThan(0);
    },
    CAMPAIGN_MS,
  );

  test(
    '10,000 events of 50 conversations, retries shuffled among them, while workers are killed',
    async () => {
      world = await startWorld();
      const random = seeded(10_000);
      const history: Sent[] = [];
      const load = { conversations: 50, perConversation: 200, rate: 1_000, duplicates: 0.3, random, history };
      const { slack, ingresses: targets, workers, signingSecret } = world;
      const kills = await underFire(sendAll({ ...load, targets, signingSecret }), {
        victims: [{ name: 'worker', weight: 1, strike: () => pick(workers, random).restart() }],
        random,
        pending: () => history.filter(isAcknowledged).length - slack.posts.length,
      });
      await repliesPosted(slack, history.length);
      expect(history).toHaveLength(10_000);
      expect(history.filter(({ answers }) => answers.includes('duplicate')).length).toBeGreaterThan(2_000);
      expect(violations(history, slack)).toEqual([]);
      expect(kills.betweenAckAndEffect).toBeGreaterThan(0);
    },
    CAMPAIGN_MS,
  );
});
