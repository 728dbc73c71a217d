import { spawn } from 'node:child_process';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from 'vitest';
import { ONE_STEP } from '../../src/queue/inbox.ts';
import { createEventMaker } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { createTestStores, type TestStores } from '../support/redis-store.ts';
import { createRelayShard, openRelayGate, postRelay } from '../support/relay.ts';
import { until } from '../support/until.ts';

const event = createEventMaker(Date.now);
const some = (count: number, more = {}) => Array.from({ length: count }, () => event({ tenant: 'default', ...more }));

describeRedis('redis: a call that is small enough for one step', () => {
  let server: RedisServer;
  let stores: TestStores;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  afterEach(() => stores.close());

  /** How many events each command to the server held while `work` ran; what scripts do inside it is not counted. */
  async function eventsOfCommands(work: () => Promise<unknown>): Promise<number[]> {
    const client = new Redis(server.port);
    const monitor = spawn('redis-cli', ['-p', String(server.port), 'monitor']);
    onTestFinished(() => void monitor.kill());
    let seen = '';
    monitor.stdout.setEncoding('utf8').on('data', (part: string) => {
      seen += part;
    });
    await until('the monitor listens', () => seen.startsWith('OK'));
    await work();
    await client.echo('the-end');
    await until('the monitor has seen all', () => seen.includes('"the-end"'));
    monitor.kill();
    client.disconnect();
    const commands = seen.split('\n').filter((line) => !line.includes(' lua]'));
    return commands.map((line) => line.split('{\\"v\\":1,\\"id\\":\\"ev_').length - 1).filter((count) => count > 0);
  }

  test('is one, whatever else comes in the same turn', async () => {
    stores = createTestStores();
    const { inbox } = await stores.open(server.url);
    await inbox.accept(some(1));
    const sent = await eventsOfCommands(() =>
      Promise.all([...some(20).map((one) => inbox.accept([one])), inbox.accept(some(10)), inbox.accept(some(3))]),
    );
    // The 10 would not fit in beside the 20; the 3 fit in beside the 10.
    expect(sent).toEqual([20, 13]);
    expect(await eventsOfCommands(() => inbox.accept(some(ONE_STEP.events)))).toEqual([ONE_STEP.events]);
    const large = 'x'.repeat(ONE_STEP.size / 3);
    const bySize = await eventsOfCommands(() =>
      Promise.all([
        ...some(2, { text: large }).map((one) => inbox.accept([one])),
        inbox.accept(some(2, { text: large })),
      ]),
    );
    expect(bySize).toEqual([2, 2]);
  });

  test('and a batch of the edge is such calls, one after the other, so that nothing is overtaken', async () => {
    stores = createTestStores();
    const store = await stores.open(server.url, {}, { queueCap: 30 });
    await store.inbox.accept(some(1, { tenant: 'acme' }));
    const gate = await openRelayGate({ store });
    const shard = createRelayShard();
    let outcomes: readonly string[] = [];
    const sent = await eventsOfCommands(async () => {
      ({ outcomes } = await postRelay(gate, shard(some(100))));
    });
    expect(sent).toEqual([24, 24]);
    expect(outcomes).toEqual([...new Array(30).fill('accepted'), ...new Array(70).fill('full')]);
  });
});
