import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { sleep } from '../support/clock.ts';
import { sallyport } from '../support/command.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { startSlackFront } from '../support/slack-front.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Holds a reply, restarts everything, approves it, and kills the worker while it posts. */
async function killedWhilePosting(verdict: false | 'taken', store: Readonly<Record<string, string>>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-review-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const slack = await startSlackServer();
  cleanups.push(slack.stop);
  let kills = 0;
  let restarted = Promise.resolve();
  const front = await startSlackFront(slack.url, ({ method }) => {
    if (method !== 'chat.postMessage' || kills > 0) return true;
    kills += 1;
    // Slack has it by then, where it gets it at all.
    restarted = sleep(200).then(() => worker.restart());
    return verdict;
  });
  cleanups.push(front.stop);
  const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };
  const environment = {
    ...keys,
    ...store,
    SLACK_API_URL: front.url,
    SALLYPORT_REVIEW_REPLIES: 'always',
    SALLYPORT_REVIEW_APPROVERS: 'operator',
    SALLYPORT_LEASE: '2s',
    LOG_LEVEL: 'warn',
  };
  const ingress: RoleProcess = await startRole({ role: 'ingress', folder, environment });
  cleanups.push(() => ingress.kill());
  const worker: RoleProcess = await startRole({ role: 'worker', folder, environment });
  cleanups.push(() => worker.kill());
  const call = async (...args: string[]) => {
    const { out } = await sallyport([...args, '--json'], {
      folder,
      environment: { ...keys, SALLYPORT_URL: ingress.url },
    });
    return JSON.parse(out);
  };
  const stateOf = async (id: string): Promise<string> => (await call('events', 'show', id)).state;

  const payload = slackMessage({ text: 'pay everybody', channel: 'D0HELD', at: Date.now() });
  const { headers, body } = signSlackRequest(slackJson(payload), {
    signingSecret: keys.SLACK_SIGNING_SECRET,
    at: Date.now(),
  });
  const url = `${ingress.url}/hooks/slack/default`;
  const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
  const id = response.headers.get('x-sallyport-event') ?? '';
  await until('the reply is held', async () => (await stateOf(id)) === 'review', { everyMs: 50 });
  expect(slack.posts).toEqual([]);

  await Promise.all([ingress.restart(), worker.restart()]);
  const { reviews } = await call('reviews', 'list');
  expect(reviews).toMatchObject([{ id, text: 'echo: pay everybody', state: 'waiting' }]);
  expect(await call('reviews', 'approve', id, '--digest', reviews[0].digest)).toMatchObject({ state: 'approved' });
  await until('a worker was killed', () => kills > 0);
  await restarted;
  await until('the event is done', async () => (await stateOf(id)) === 'done', { everyMs: 100 });
  await sleep(1_000);
  expect(slack.posts.map(({ text }) => text)).toEqual(['echo: pay everybody']);
  expect(kills).toBe(1);
}

const moments: [string, false | 'taken'][] = [
  ['before Slack has it', false],
  ['after Slack took it, before it said so', 'taken'],
];

describe('kill -9 of the worker that posts an approved reply, on the embedded store', () => {
  test.each(moments)('%s: it is posted exactly once', (_, verdict) => killedWhilePosting(verdict, {}));
});

describeRedis('kill -9 of the worker that posts an approved reply, on Redis', () => {
  test.each(moments)('%s: it is posted exactly once', async (_, verdict) => {
    const redis = await startRedis();
    cleanups.push(() => redis.stop());
    await killedWhilePosting(verdict, { SALLYPORT_REDIS_URL: redis.url });
  });
});
