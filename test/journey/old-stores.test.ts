import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { signCallback } from '../../src/testing/agents/http-agent-server.ts';
import type { SlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson } from '../../src/testing/slack/signer.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import {
  callGate,
  readFacts,
  restoreEmbedded,
  restoreRedis,
  type StoreFacts,
  startStoreVendors,
  storeSettings,
  storesFolder,
} from '../support/old-stores.ts';
import { describeRedis } from '../support/redis.ts';
import { startRole } from '../support/role.ts';
import { until } from '../support/until.ts';

const storesOf = (kind: string): string[] =>
  readdirSync(storesFolder)
    .filter((name) => name.startsWith(`${kind}-`) && name.endsWith('.tar.gz'))
    .map((name) => name.replace('.tar.gz', ''));

/** Opens the store with today's roles, and has every event come to its end. */
async function finish(name: string, folder: string, store: Readonly<Record<string, string>>): Promise<void> {
  const facts = await readFacts(name);
  const vendors = await startStoreVendors(facts);
  const { slack, agent } = vendors;
  const environment = { ...vendors.settings, ...store };
  const ingress = await startRole({ role: 'ingress', environment, folder });
  onTestFinished(async () => {
    await Promise.all([ingress.kill(), vendors.stop()]);
  });
  const get = async <T>(path: string): Promise<T> => {
    const { status, json } = await callGate(ingress.url, path);
    expect({ path, status }).toEqual({ path, status: 200 });
    return json as T;
  };
  const idOf = (text: string): string => facts.messages.find((message) => message.text === text)?.id ?? '';
  const stateOf = async (text: string): Promise<string> =>
    (await get<{ state: string }>(`/events/${idOf(text)}`)).state;
  const done = (text: string) =>
    until(`${text} is done`, async () => (await stateOf(text)) === 'done', { everyMs: 50 });

  // As it was left, before any worker looks at it.
  const found = await Promise.all(facts.messages.map(async ({ text }) => [text, await stateOf(text)]));
  expect(found).toEqual(facts.messages.map(({ text, state }) => [text, state]));
  expect(await redelivered(facts, ingress.url)).toEqual(facts.messages.map(({ id }) => ['duplicate', id]));
  const { limits } = await get<{ limits: unknown[] }>('/budgets');
  expect(limits).toContainEqual(
    expect.objectContaining({ scope: 'tenant', window: 'month', max: 7_000_000, setBy: 'operator' }),
  );
  const watch = { channel: 'gmail', name: 'agent@example.com', state: 'active' };
  const before = await get<{ checkedAt: string; subscriptions: unknown[] }>('/subscriptions');
  expect(before.subscriptions).toMatchObject([watch]);

  const worker = await startRole({ role: 'worker', environment, folder });
  onTestFinished(() => worker.kill());
  for (const text of ['queued', 'later', 'after the wait', 'half taken', 'half lost']) await done(text);

  expect([await stateOf('call back'), await stateOf('after the callback')]).toEqual(['waiting', 'queued']);
  const secret = storeSettings.SALLYPORT_AGENT_SECRET;
  const callback = signCallback({ secret, run: facts.run, answer: { reply: { text: 'answer: call back' } } });
  expect((await fetch(`${ingress.url}/callbacks/${facts.run}`, callback)).status).toBe(200);
  await done('call back');
  await done('after the callback');

  const { reviews } = await get<{ reviews: { id: string; digest: string }[] }>('/reviews');
  expect(reviews).toMatchObject([{ id: idOf('held'), text: 'answer: held', state: 'waiting' }]);
  const digest = reviews[0]?.digest;
  expect((await callGate(ingress.url, `/reviews/${idOf('held')}/approve`, { digest })).status).toBe(200);
  await done('held');

  expect((await callGate(ingress.url, `/events/${idOf('refused')}/redrive`, {})).status).toBe(200);
  await done('refused');

  const answered = [
    'after the callback',
    'after the wait',
    'call back',
    'half lost',
    'held',
    'later',
    'queued',
    'refused',
  ];
  expect(posted(slack)).toEqual(answered.map((text) => `answer: ${text}`));
  expect(inOrder(slack, 'D0LATER')).toEqual(['answer: later', 'answer: after the wait']);
  expect(inOrder(slack, 'D0CALLBACK')).toEqual(['answer: call back', 'answer: after the callback']);
  // What the agent answered before is not asked again.
  const asked = ['after the callback', 'after the wait', 'later', 'queued', 'refused'];
  expect(agent.requests.map(({ event }) => event.text).toSorted()).toEqual(asked);

  await until('the keeper has looked again', async () => {
    const { checkedAt } = await get<{ checkedAt: string }>('/subscriptions');
    return checkedAt > before.checkedAt;
  });
  expect((await get<{ subscriptions: unknown[] }>('/subscriptions')).subscriptions).toMatchObject([watch]);
  await verifyAudit(ingress.url, folder);
}

/** Slack sends everything once more. */
async function redelivered({ messages }: StoreFacts, url: string): Promise<(string | null)[][]> {
  const answers: (string | null)[][] = [];
  for (const { payload } of messages) {
    const signing = { signingSecret: storeSettings.SLACK_SIGNING_SECRET, at: Date.now() };
    const { headers, body } = signSlackRequest(slackJson(payload), signing);
    const init = { method: 'POST', headers, body: new Uint8Array(body) };
    const answer = await fetch(`${url}/hooks/slack/default`, init);
    answers.push([answer.headers.get('x-sallyport-outcome'), answer.headers.get('x-sallyport-event')]);
  }
  return answers;
}

const posted = ({ posts }: SlackServer): string[] => posts.map(({ text }) => text).toSorted();
const inOrder = ({ posts }: SlackServer, channel: string): string[] =>
  posts.filter((post) => post.channel === channel).map(({ text }) => text);

/** The chain that the earlier release began holds with what was added today. */
async function verifyAudit(url: string, folder: string): Promise<void> {
  const token = { SALLYPORT_JWT_SECRET: storeSettings.SALLYPORT_JWT_SECRET };
  const { out: bearer } = await sallyport(['token', '--scope', 'audit:read'], { folder, environment: token });
  const environment = { SALLYPORT_URL: url, SALLYPORT_TOKEN: bearer.trim() };
  const exported = await sallyport(['audit', 'export'], { folder, environment });
  writeFileSync(join(folder, 'audit.jsonl'), exported.out);
  expect(exported.out).toContain('"review.approved"');
  expect(exported.out).toContain('"seq":1,');
  expect(await sallyport(['audit', 'verify', 'audit.jsonl'], { folder })).toMatchObject({ code: 0 });
}

describe('data files of earlier releases', () => {
  test.each(storesOf('embedded'))('%s: everything in it comes to its end, once', async (name) => {
    const folder = await testFolder();
    await finish(name, folder, { SALLYPORT_DATA_DIR: await restoreEmbedded(name, folder) });
  });
});

describeRedis('Redis of earlier releases', () => {
  test.each(storesOf('redis'))('%s: everything in it comes to its end, once', async (name) => {
    const folder = await testFolder();
    const redis = await restoreRedis(name);
    onTestFinished(() => redis.stop());
    await finish(name, folder, { SALLYPORT_REDIS_URL: redis.url });
  });
});
