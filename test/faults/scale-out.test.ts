import { afterEach, expect, test } from 'vitest';
import { describeRedis } from '../support/redis.ts';
import { play, type Result } from '../support/scale-out/play.ts';
import { startWorld, type World } from '../support/scale-out/world.ts';

/**
 * One short history of each, with two processes of either role: `npm run test:campaigns` plays many with four, on Sentinels
 * and on a Cluster, and measures how long an outage lasts.
 */
const LOAD = { seed: 1, rate: 20, seconds: 8 };

let world: World | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

function expectNothingLost({ acknowledged, replied, pending, violations }: Result): void {
  expect(violations).toEqual([]);
  expect(replied).toBe(acknowledged);
  expect(acknowledged).toBe(192);
  expect(pending).toBeGreaterThan(0);
}

/** A lease that was lost with a primary ends after half a minute, and a wake after a whole one. */
const LIMIT_MS = 300_000;

describeRedis('several ingresses and workers under load', () => {
  test('answer each message once when Sentinels replace a killed primary, and when each process is replaced', {
    timeout: LIMIT_MS,
  }, async () => {
    world = await startWorld('sentinel', { each: 2 });
    const failover = await play(world, { fault: 'kill', ...LOAD });
    expectNothingLost(failover);
    expect(failover.answers['503']).toBeGreaterThan(0);
    const first = world.ingresses.map(({ child }) => child.pid);
    expectNothingLost(await play(world, { fault: 'roll', ...LOAD }));
    expect(world.ingresses.map(({ child }) => child.pid).filter((pid) => first.includes(pid))).toEqual([]);
  });
});
