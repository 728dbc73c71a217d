import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import {
  createRelayKeys,
  type RelayAnswer,
  type RelayBatch,
  type RelayKeys,
  type RelayOutcome,
  relayHeader,
  signRelayAnswer,
} from '../../src/core/relay.ts';
import { repliesPosted, type Sent, seeded, sendAll, sleep, violations } from '../support/campaign.ts';
import { resultsFor } from '../support/edge-origin.ts';
import { type EdgeWorld, startEdgeWorld } from '../support/edge-world.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';
import { until } from '../support/until.ts';

const CONVERSATIONS = 40;

/** Events of the long outage, which is a multiple of the conversations, and how long it lasts at least in ms. */
const EVENTS = Number(process.env.SALLYPORT_TEST_EDGE_EVENTS || 400);
const OUTAGE_MS = Number(process.env.SALLYPORT_TEST_EDGE_OUTAGE_MS || 3_000);

/** Whatever would run a second time gets so long to (ms). */
const QUIET_MS = 1_000;

describe('the origin of the edge is away', () => {
  let world: EdgeWorld;
  beforeEach(async () => {
    world = await startEdgeWorld();
  });
  afterEach(() => world?.stop());

  async function deliver(conversations: number, perConversation: number): Promise<Sent[]> {
    const history: Sent[] = [];
    const { edge, signingSecret } = world;
    const load = { conversations, perConversation, rate: 200, duplicates: 0.1, random: seeded(1), history };
    await sendAll({ ...load, targets: [edge], signingSecret });
    return history;
  }

  async function answeredOnce(history: readonly Sent[]): Promise<void> {
    await world.drained();
    await repliesPosted(world.slack, history.length);
    await sleep(QUIET_MS);
    expect(violations(history, world.slack)).toEqual([]);
  }

  const blocked = (reason: string) => async (): Promise<boolean> =>
    ((await world.metrics()).get(`sallyport_outbox_blocked{reason="${reason}"}`) ?? 0) > 0;

  test(
    'everything waits, and then runs once, in the order of each conversation',
    async () => {
      const origin = await world.startOrigin();
      await origin.kill();
      const startedAt = Date.now();
      const history = await deliver(CONVERSATIONS, Math.ceil(EVENTS / CONVERSATIONS));
      // Nobody was turned away.
      expect(new Set(history.flatMap(({ answers }) => answers))).toEqual(new Set(['accepted', 'duplicate']));
      await sleep(startedAt + OUTAGE_MS - Date.now());
      const waiting = await world.metrics();
      expect(waiting.get('sallyport_outbox_events')).toBeGreaterThanOrEqual(history.length);
      expect(waiting.get('sallyport_outbox_oldest_seconds')).toBeGreaterThan(1);
      // Forty conversations are on nearly all of the eight shards. Idle ones are removed from memory and still say it.
      expect(waiting.get('sallyport_outbox_blocked{reason="unreachable"}')).toBeGreaterThanOrEqual(6);
      expect(world.slack.posts).toEqual([]);
      await origin.restart();
      await answeredOnce(history);
    },
    CAMPAIGN_MS,
  );

  test('what waits is forwarded after a kill and a restart of workerd, although no request comes', async () => {
    const history = await deliver(8, 3);
    await until('the edge finds no origin', blocked('unreachable'));
    await world.edge.kill();
    await world.startOrigin();
    await world.edge.restart();
    await repliesPosted(world.slack, history.length);
    await sleep(QUIET_MS);
    expect(violations(history, world.slack)).toEqual([]);
  });

  /** A server in the place of the origin. */
  async function answer(answers: { outcome: RelayOutcome; keys: RelayKeys | null; asked: number }) {
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const batch = JSON.parse(Buffer.concat(chunks).toString('utf8')) as RelayBatch;
      const relayAnswer: RelayAnswer = { v: 1, results: resultsFor(batch, () => answers.outcome) };
      const body = JSON.stringify(relayAnswer);
      const nonce = String(request.headers[relayHeader.nonce]);
      const { keys } = answers;
      const signature = keys && {
        [relayHeader.signature]: signRelayAnswer({ nonce, status: 200, body }, keys, nodeCrypto),
      };
      response.writeHead(200, { 'content-type': 'application/json', ...signature }).end(body);
      answers.asked += 1;
    });
    await new Promise<void>((resolve) => server.listen(world.originPort, '127.0.0.1', resolve));
    return async (): Promise<void> => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    };
  }

  test('the log names the shard of a rejected event, also when only its alarm has started the object', async () => {
    await deliver(1, 1);
    await world.edge.kill();
    const keys = createRelayKeys([Buffer.from(world.relayKey, 'base64')], nodeCrypto);
    const stop = await answer({ outcome: 'rejected', keys, asked: 0 });
    onTestFinished(stop);
    await world.edge.restart();
    const log = join(world.folder, `edge-${world.edge.port}.log`);
    const parked = async (): Promise<string | undefined> =>
      (await readFile(log, 'utf8')).split('\n').find((line) => line.includes('shard.parked'));
    await until('the event is parked', async () => (await parked()) !== undefined);
    expect(JSON.parse((await parked()) ?? '')).toMatchObject({
      shard: expect.stringMatching(/^default\/[0-7]$/),
      parked: 1,
    });
  });

  test('an impostor in its place gets nothing deleted, with no signature and with one of another key', async () => {
    const history = await deliver(4, 2);
    const answers: Parameters<typeof answer>[0] = { outcome: 'accepted', keys: null, asked: 0 };
    const stop = await answer(answers);
    onTestFinished(stop);
    await until('the impostor has answered without a signature', () => answers.asked > 0);
    await until('the edge says so', blocked('unproven'));
    answers.keys = createRelayKeys([new Uint8Array(32).fill(1)], nodeCrypto);
    answers.asked = 0;
    await until('the impostor has signed an answer', () => answers.asked > 0);
    const metrics = await world.metrics();
    expect(metrics.get('sallyport_outbox_blocked{reason="unproven"}')).toBeGreaterThan(0);
    expect(metrics.get('sallyport_outbox_events')).toBeGreaterThanOrEqual(history.length);
    expect(metrics.get('sallyport_outbox_parked')).toBe(0);
    await stop();
    await world.startOrigin();
    await answeredOnce(history);
  });
});
