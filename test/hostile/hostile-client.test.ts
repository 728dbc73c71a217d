import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { testFolder } from '../support/folder.ts';
import { attack } from '../support/hostile-client.ts';
import { startRole } from '../support/role.ts';
import { rssOf } from '../support/rss.ts';

const { SLACK_BOT_TOKEN: _, ...keys } = freshKeys();
const DELIVERIES = 150;

test('beside one hostile client through the same untrusted proxy every honest delivery is accepted, and memory stays bounded', async () => {
  const folder = await testFolder();
  const environment = {
    ...keys,
    GRAPH_TENANT_ID: '84bd8158-6d4d-4958-8b9f-9d6445542f95',
    GRAPH_CLIENT_STATE: 'a-client-state-of-some-length',
    SALLYPORT_FAILURES_PER_MINUTE: '20',
    LOG_LEVEL: 'warn',
  };
  const gate = await startRole({ role: 'ingress', folder, environment });
  const dispatcher = new Agent({ connections: 4 });
  onTestFinished(async () => {
    await dispatcher.close();
    await gate.kill();
  });
  let written = 0;
  const deliver = async (): Promise<string> => {
    written += 1;
    const ts = `1700000000.${String(written).padStart(6, '0')}`;
    const body = slackJson(slackMessage({ text: `number ${written}`, channel: 'D0', ts, at: Date.now() }));
    const signed = signSlackRequest(body, { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() });
    const answer = await request(`${gate.url}/hooks/slack/default`, {
      ...{ method: 'POST', dispatcher, headersTimeout: 0, bodyTimeout: 0 },
      headers: { ...signed.headers, 'x-forwarded-for': '198.51.100.7' },
      body: Buffer.from(signed.body),
    });
    await answer.body.dump();
    return `${answer.statusCode} ${answer.headers['x-sallyport-outcome']}`;
  };
  for (let n = 0; n < 50; n += 1) expect(await deliver()).toBe('200 accepted');
  const before = rssOf(gate.child.pid);
  const client = attack(gate.port, {
    ...{ emptyBatches: 50, nestedBodies: 2, stalledBodies: 60, idleConnections: 500, forgedPosts: 100 },
  });
  const outcomes: string[] = [];
  let most = before;
  for (let n = 0; n < DELIVERIES; n += 1) {
    outcomes.push(await deliver());
    most = Math.max(most, rssOf(gate.child.pid));
  }
  const statuses = await client.stop();
  expect(outcomes).toEqual(outcomes.map(() => '200 accepted'));
  // It was under attack: forgeries and empty batches were answered, and stalled bodies made room.
  expect(Object.keys(statuses)).toEqual(expect.arrayContaining(['202', '401']));
  expect(statuses[503]).toBeUndefined();
  // 60 bodies of 4 MiB would be 240 MiB.
  expect(most - before).toBeLessThan(120);
});
