import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freshKeys } from '../support/campaign.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { startRole } from '../support/role.ts';

describeRedis('SIGTERM while Redis is away', () => {
  test.each<[string, (redis: RedisServer) => void | Promise<void>]>([
    ['refuses connections', (redis) => redis.kill()],
    ['hangs', (redis) => redis.pause()],
  ])(
    'a worker in which nothing runs does not wait for one that %s',
    async (_, leave) => {
      const folder = await testFolder();
      const redis = await startRedis();
      onTestFinished(() => redis.stop());
      // Longer than the test may take: whoever waited for it would fail.
      const environment = { ...freshKeys(), SALLYPORT_REDIS_URL: redis.url, SALLYPORT_GRACE: '10m' };
      const worker = await startRole({ role: 'worker', folder, environment });
      onTestFinished(() => worker.kill());
      const log = () => readFile(join(folder, `worker-${worker.port}.log`), 'utf8');
      await expect.poll(log, { timeout: PATIENCE_MS }).toContain('process.working');
      await leave(redis);
      const exited = once(worker.child, 'exit');
      worker.child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    },
    60_000,
  );
});
