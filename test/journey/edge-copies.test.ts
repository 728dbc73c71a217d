import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { repliesPosted } from '../support/campaign.ts';
import { sleep } from '../support/clock.ts';
import { sallyport } from '../support/command.ts';
import { type EdgeWorld, startEdgeWorld } from '../support/edge-world.ts';
import type { RoleProcess } from '../support/role.ts';

const COPIES = 200;

/** Whatever would run a second time gets so long to (ms). */
const QUIET_MS = 1_000;

interface Answered {
  readonly status: number;
  readonly outcome: unknown;
  readonly id: unknown;
}

describe('copies of one event at the edge and at its origin', () => {
  let world: EdgeWorld;
  let origin: RoleProcess;
  beforeAll(async () => {
    world = await startEdgeWorld();
    origin = await world.startOrigin();
  });
  afterAll(() => world?.stop());

  async function send(url: string, payload: unknown, at: number, dispatcher: Agent): Promise<Answered> {
    const { headers, body } = signSlackRequest(slackJson(payload), { signingSecret: world.signingSecret, at });
    const hook = `${url}/hooks/slack/default`;
    const answer = await request(hook, { method: 'POST', headers, body: Buffer.from(body), dispatcher });
    await answer.body.dump();
    const { 'x-sallyport-outcome': outcome, 'x-sallyport-event': id } = answer.headers;
    return { status: answer.statusCode, outcome, id };
  }

  /** Each on a connection of its own. */
  async function together(sends: readonly ((dispatcher: Agent) => Promise<Answered>)[]): Promise<Answered[]> {
    const dispatcher = new Agent({ connections: sends.length, pipelining: 1 });
    try {
      return await Promise.all(sends.map((one) => one(dispatcher)));
    } finally {
      await dispatcher.destroy();
    }
  }

  const one = async (url: string, payload: unknown): Promise<Answered> => {
    const [answer] = await together([(dispatcher) => send(url, payload, Date.now(), dispatcher)]);
    return answer as Answered;
  };

  async function repliesAfter(before: number, count: number): Promise<string[]> {
    await world.drained();
    await repliesPosted(world.slack, before + count);
    await sleep(QUIET_MS);
    return world.slack.posts.slice(before).map(({ text }) => text);
  }

  test.each([
    ['the same request', false],
    ['each signed at another time, as retries are', true],
  ])('of 200 at once one is accepted and 199 are its duplicates: %s', async (text, isSignedAnew) => {
    const before = world.slack.posts.length;
    const at = Date.now();
    const payload = slackMessage({ text, channel: 'D0', at });
    const answers = await together(
      Array.from({ length: COPIES }, (_, i) => (dispatcher: Agent) => {
        return send(world.edge.url, payload, isSignedAnew ? at - i * 1000 : at, dispatcher);
      }),
    );
    const count = (outcome: string): number => answers.filter((answer) => answer.outcome === outcome).length;
    expect({ accepted: count('accepted'), duplicate: count('duplicate') }).toEqual({
      accepted: 1,
      duplicate: COPIES - 1,
    });
    const [id, ...others] = new Set(answers.map((answer) => answer.id));
    expect(others).toEqual([]);
    expect(await repliesAfter(before, 1)).toEqual([`echo: ${text}`]);
    const environment = { ...world.environment, SALLYPORT_URL: origin.url };
    const { out } = await sallyport(['events', 'show', String(id), '--json'], { folder: world.folder, environment });
    expect(JSON.parse(out)).toMatchObject({ state: 'done', attempts: 1, runs: [{ outcome: 'replied' }] });
  });

  test('an event that comes by the edge and then to the origin runs once', async () => {
    const before = world.slack.posts.length;
    const payload = slackMessage({ text: 'edge first', channel: 'D1', at: Date.now() });
    expect(await one(world.edge.url, payload)).toMatchObject({ status: 200, outcome: 'accepted' });
    await world.drained();
    expect(await one(origin.url, payload)).toMatchObject({ status: 200, outcome: 'duplicate' });
    expect(await repliesAfter(before, 1)).toEqual(['echo: edge first']);
  });

  test('an event that comes to the origin and then by the edge runs once', async () => {
    const before = world.slack.posts.length;
    const payload = slackMessage({ text: 'origin first', channel: 'D2', at: Date.now() });
    expect(await one(origin.url, payload)).toMatchObject({ status: 200, outcome: 'accepted' });
    // The edge cannot know, and the origin judges what it forwards.
    expect(await one(world.edge.url, payload)).toMatchObject({ status: 200, outcome: 'accepted' });
    expect(await repliesAfter(before, 1)).toEqual(['echo: origin first']);
  });

  test('events that come to both at once run once each', async () => {
    const before = world.slack.posts.length;
    const texts = Array.from({ length: 50 }, (_, n) => `at once ${n}`);
    const answers = await together(
      texts.flatMap((text, n) => {
        const payload = slackMessage({ text, channel: `D3${n % 10}`, at: Date.now() });
        return [world.edge.url, origin.url].map(
          (url) => (dispatcher: Agent) => send(url, payload, Date.now(), dispatcher),
        );
      }),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const replies = await repliesAfter(before, texts.length);
    expect(replies.sort()).toEqual(texts.map((text) => `echo: ${text}`).sort());
  });
});
