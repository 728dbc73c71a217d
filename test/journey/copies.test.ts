import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys, repliesPosted } from '../support/campaign.ts';
import { sleep } from '../support/clock.ts';
import { sallyport } from '../support/command.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';

const COPIES = 200;
const PROCESSES = 4;

describeRedis('copies of one event over several processes', () => {
  const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };
  let folder: string;
  let redis: RedisServer;
  let slack: SlackServer;
  let ingresses: RoleProcess[] = [];
  let worker: RoleProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sallyport-copies-'));
    [redis, slack] = await Promise.all([startRedis(), startSlackServer()]);
    const environment = { ...keys, SALLYPORT_REDIS_URL: redis.url, SLACK_API_URL: slack.url, LOG_LEVEL: 'warn' };
    const start = (role: string) => startRole({ role, folder, environment });
    ingresses = await Promise.all(Array.from({ length: PROCESSES }, () => start('ingress')));
    worker = await start('worker');
  });
  afterAll(async () => {
    await Promise.all([...ingresses, worker].map((role) => role?.kill()));
    await Promise.all([redis?.stop(), slack?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  /** Every copy on a connection of its own, opened before the first is sent. */
  async function deliver(payload: unknown, isSignedAnew: boolean): Promise<{ outcome: unknown; id: unknown }[]> {
    const dispatcher = new Agent({ connections: COPIES, pipelining: 1 });
    const at = Date.now();
    try {
      return await Promise.all(
        Array.from({ length: COPIES }, async (_, i) => {
          const signing = { signingSecret: keys.SLACK_SIGNING_SECRET, at: isSignedAnew ? at - i * 1000 : at };
          const { headers, body } = signSlackRequest(slackJson(payload), signing);
          const url = `${ingresses[i % PROCESSES]?.url}/hooks/slack/default`;
          const answer = await request(url, { method: 'POST', headers, body: Buffer.from(body), dispatcher });
          await answer.body.dump();
          return { outcome: answer.headers['x-sallyport-outcome'], id: answer.headers['x-sallyport-event'] };
        }),
      );
    } finally {
      await dispatcher.destroy();
    }
  }

  test.each([
    ['the same request', false],
    ['each signed at another time, as retries are', true],
  ])('of 200 at once one is accepted and 199 are its duplicates: %s', async (text, isSignedAnew) => {
    const before = slack.posts.length;
    const answers = await deliver(slackMessage({ text, channel: 'D0', at: Date.now() }), isSignedAnew);
    const count = (outcome: string): number => answers.filter((one) => one.outcome === outcome).length;
    expect({ accepted: count('accepted'), duplicate: count('duplicate') }).toEqual({
      accepted: 1,
      duplicate: COPIES - 1,
    });
    const [id, ...others] = new Set(answers.map((answer) => answer.id));
    expect(others).toEqual([]);
    await repliesPosted(slack, before + 1);
    // Whatever would run a second time gets the time to.
    await sleep(1_000);
    expect(slack.posts.slice(before).map((post) => post.text)).toEqual([`echo: ${text}`]);
    const environment = { ...keys, SALLYPORT_URL: ingresses[0]?.url ?? '' };
    const { out } = await sallyport(['events', 'show', String(id), '--json'], { folder, environment });
    expect(JSON.parse(out)).toMatchObject({
      state: 'done',
      deliveries: COPIES,
      attempts: 1,
      runs: [{ outcome: 'replied' }],
    });
  });
});
