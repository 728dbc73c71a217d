import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startSlackServer } from '../../src/testing/slack/server.ts';
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
import { MIN_KILLS, pick, underFire } from '../support/nemesis.ts';
import { startRole } from '../support/role.ts';
import { CAMPAIGN_MS, seeds } from '../support/seeds.ts';

describe('kill -9 of the processes on one embedded store', () => {
  test.each(seeds())(
    'seed %i: every acknowledged message is answered exactly once, in order',
    async (seed) => {
      const folder = await mkdtemp(join(tmpdir(), 'sallyport-kill-'));
      const slack = await startSlackServer();
      const keys = freshKeys();
      const environment = {
        ...keys,
        SALLYPORT_DATA_DIR: join(folder, 'data'),
        SLACK_API_URL: slack.url,
        SALLYPORT_LEASE: '2s',
        LOG_LEVEL: 'warn',
      };
      const start = () => startRole({ role: 'all', environment, folder });
      const targets = [await start(), await start()];
      try {
        const random = seeded(seed);
        const history: Sent[] = [];
        const load = { conversations: 30, perConversation: 20, rate: 300, duplicates: 0.3, random, history };
        const sending = sendAll({ ...load, targets, signingSecret: keys.SLACK_SIGNING_SECRET });
        const kills = await underFire(sending, {
          victims: [{ name: 'gate', weight: 1, strike: () => pick(targets, random).restart() }],
          random,
          pending: () => history.filter(isAcknowledged).length - slack.posts.length,
        });
        await repliesPosted(slack, history.length);
        await sleep(1_000);
        expect(violations(history, slack)).toEqual([]);
        expect(history).toHaveLength(600);
        expect(kills.struck).toBeGreaterThanOrEqual(MIN_KILLS);
        expect(kills.betweenAckAndEffect).toBeGreaterThan(0);
      } finally {
        await Promise.all(targets.map((role) => role.kill()));
        await slack.stop();
        await rm(folder, { recursive: true, force: true });
      }
    },
    CAMPAIGN_MS,
  );
});
