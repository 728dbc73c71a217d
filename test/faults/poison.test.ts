import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys } from '../support/campaign.ts';
import { sallyport } from '../support/command.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { startSlackFront } from '../support/slack-front.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** `StoreLimits.maxAttempts` */
const ATTEMPTS = 5;

test('an event that kills its worker every time is parked, the others run on, and a redrive answers it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-poison-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const slack = await startSlackServer();
  cleanups.push(slack.stop);
  let isPoisonous = true;
  let kills = 0;
  let restarted = Promise.resolve();
  const front = await startSlackFront(slack.url, ({ method, channel, text }) => {
    // Posting the reply, and asking whether an earlier attempt posted it: both are what this event does.
    const isPoison = text.includes('poison') || (method === 'conversations.history' && channel === 'D0POISON');
    if (!isPoisonous || !isPoison) return true;
    kills += 1;
    restarted = worker.restart();
    return false;
  });
  cleanups.push(front.stop);
  const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };
  const environment = {
    ...keys,
    SLACK_API_URL: front.url,
    SALLYPORT_LEASE: '2s',
    LOG_LEVEL: 'warn',
  };
  const ingress = await startRole({ role: 'ingress', folder, environment });
  cleanups.push(ingress.kill);
  const worker: RoleProcess = await startRole({ role: 'worker', folder, environment });
  cleanups.push(() => worker.kill());

  const send = async (text: string, channel: string): Promise<string> => {
    const payload = slackMessage({ text, channel, at: Date.now() });
    const signing = { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() };
    const { headers, body } = signSlackRequest(slackJson(payload), signing);
    const url = `${ingress.url}/hooks/slack/default`;
    const response = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
    return response.headers.get('x-sallyport-event') ?? '';
  };
  const events = async (...args: string[]) => {
    const { out } = await sallyport(['events', ...args, '--json'], {
      folder,
      environment: { ...keys, SALLYPORT_URL: ingress.url },
    });
    return JSON.parse(out);
  };
  const repliesTo = (text: string): number => slack.posts.filter((post) => post.text === `echo: ${text}`).length;

  const id = await send('poison', 'D0POISON');
  await send('next in line', 'D0POISON');
  await until('a worker was killed', () => kills > 0);
  await send('elsewhere', 'D0OTHER');
  await until('the others are answered', () => repliesTo('elsewhere') + repliesTo('next in line') >= 2);
  await restarted;

  // On a loaded machine an attempt may lose its lease before it gets to its call.
  expect(kills).toBeGreaterThan(1);
  expect(kills).toBeLessThanOrEqual(ATTEMPTS);
  expect(repliesTo('poison')).toBe(0);
  const { events: parked } = await events('list', '--state', 'parked');
  expect(parked).toMatchObject([{ id, attempts: ATTEMPTS, failure: { code: 'ERR_ATTEMPTS_EXHAUSTED' } }]);
  expect(parked[0].runs).toHaveLength(ATTEMPTS);

  isPoisonous = false;
  expect(await events('redrive', id)).toMatchObject({ state: 'queued', generation: 2, attempts: 0 });
  await until('the redriven event is answered', () => repliesTo('poison') > 0);
  await until('the event is done', async () => (await events('show', id)).state === 'done');
  for (const text of ['poison', 'next in line', 'elsewhere']) expect([text, repliesTo(text)]).toEqual([text, 1]);
}, 240_000);
