import { describe, expect, test } from 'vitest';
import { isAcknowledged, repliesPosted, type Sent, seeded, sendAll, sleep, violations } from '../support/campaign.ts';
import { startEdgeWorld } from '../support/edge-world.ts';
import { CAMPAIGN_MS, seeds } from '../support/seeds.ts';
import { until } from '../support/until.ts';

const CONVERSATIONS = 20;
const EACH = 15;

/** Shares of the load that are acknowledged when workerd is killed: three or four, never before the first or after the last. */
const killsOf = (random: () => number): number[] =>
  Array.from({ length: 3 + Math.floor(random() * 2) }, () => 0.05 + random() * 0.85).sort((a, b) => a - b);

/** The Worker with a way to reset one of its objects, as a deployment or a move of the object does. */
const RESETTABLE = `
  import edge, { EdgeShard as Shard } from './edge.js';
  export class EdgeShard extends Shard {
    reset() { this.ctx.abort('reset'); }
  }
  export default {
    async fetch(request, bindings) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname !== '/test-reset') return edge.fetch(request, bindings);
      const { SHARDS } = bindings;
      const ended = await SHARDS.get(SHARDS.idFromName(searchParams.get('shard'))).reset().catch(() => 'reset');
      return new Response(ended);
    },
  };`;

/** `SALLYPORT_EDGE_SHARDS` has this as its default. */
const SHARDS = 8;

test('resets of the objects under load lose nothing and repeat nothing', async () => {
  const world = await startEdgeWorld({ around: RESETTABLE });
  try {
    await world.startOrigin();
    const { edge, slack, signingSecret } = world;
    const random = seeded(1);
    const history: Sent[] = [];
    const plan = { conversations: CONVERSATIONS, perConversation: EACH, rate: 100, duplicates: 0.3, random };
    let isOver = false;
    const sending = sendAll({ ...plan, targets: [edge], signingSecret, history }).finally(() => {
      isOver = true;
    });
    sending.catch(() => {});
    let resets = 0;
    const reset = async (): Promise<void> => {
      while (!isOver) {
        const shard = Math.floor(random() * SHARDS);
        const answer = await fetch(`${edge.url}/test-reset?shard=default/${shard}`);
        if ((await answer.text()) === 'reset') resets += 1;
      }
    };
    await Promise.all(Array.from({ length: 4 }, reset));
    await sending;
    await world.drained();
    await repliesPosted(slack, history.length);
    await sleep(1_000);
    expect(violations(history, slack)).toEqual([]);
    expect(resets).toBeGreaterThan(SHARDS);
  } finally {
    await world.stop();
  }
});

describe('kill -9 of workerd under load', () => {
  test.each(seeds())(
    'seed %i: every message that the edge acknowledged is answered exactly once, in order',
    async (seed) => {
      const world = await startEdgeWorld();
      try {
        await world.startOrigin();
        const { edge, slack, signingSecret } = world;
        const random = seeded(seed);
        const history: Sent[] = [];
        const plan = { conversations: CONVERSATIONS, perConversation: EACH, rate: 100, duplicates: 0.3, random };
        const sending = sendAll({ ...plan, targets: [edge], signingSecret, history });
        // Thrown below; until then it may fail while the edge starts again.
        sending.catch(() => {});
        let withoutEffect = 0;
        for (const share of killsOf(random)) {
          const count = Math.floor(share * CONVERSATIONS * EACH);
          await until(`${count} messages are acknowledged`, () => history.filter(isAcknowledged).length >= count, {
            everyMs: 1,
          });
          if (history.filter(isAcknowledged).length > slack.posts.length) withoutEffect += 1;
          await edge.restart();
        }
        await sending;
        await world.drained();
        await repliesPosted(slack, history.length);
        await sleep(1_000);
        expect(violations(history, slack)).toEqual([]);
        expect(history).toHaveLength(CONVERSATIONS * EACH);
        // Otherwise no kill hit the load.
        expect(history.flatMap(({ answers }) => answers)).toContain('unknown');
        expect(withoutEffect).toBeGreaterThan(0);
        expect((await world.metrics()).get('sallyport_outbox_parked')).toBe(0);
      } finally {
        await world.stop();
      }
    },
    CAMPAIGN_MS,
  );
});
