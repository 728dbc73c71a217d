import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { PATIENCE_MS } from '../support/clock.ts';
import { altered, conversationNamed, createEventMaker, deliveredAgain } from '../support/events.ts';
import { describeRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { consumeInto, createTestStores } from '../support/redis-store.ts';

describeRedis('what Redis sees', () => {
  const stores = createTestStores();
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(async () => {
    await stores.close();
    await server.stop();
  });

  it('holds no value of a sender in the name of any key', async () => {
    const store = await stores.open(server.url);
    const event = createEventMaker(Date.now);
    const first = event({
      conversation: conversationNamed('C-RAW-VALUE'),
      author: { id: 'U-RAW-VALUE', kind: 'user' },
    });
    await store.inbox.accept([first, deliveredAgain(first), altered(first, 'RAW-VALUE'), event()]);
    const admin = new Redis(server.port);
    const before = await admin.keys('*');
    const ran: string[] = [];
    consumeInto(store, ran);
    await vi.waitFor(() => expect(ran).toHaveLength(2), { timeout: PATIENCE_MS });
    const names = [...before, ...(await admin.keys('*'))];
    admin.disconnect();
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) {
      expect(name).not.toContain('RAW-VALUE');
      expect(name.startsWith(`{${stores.prefix}:`)).toBe(true);
    }
  });

  it('is reached by an ingress that never loads BullMQ', async () => {
    const program = `
      const { register } = await import('node:module');
      register('data:text/javascript,' + encodeURIComponent(\`
        export async function resolve(specifier, context, next) {
          if (specifier === 'bullmq') throw new Error('bullmq was loaded');
          return next(specifier, context);
        }
        export async function load(url, context, next) {
          if (!url.endsWith('.lua')) return next(url, context);
          const { readFile } = await import('node:fs/promises');
          const source = 'export default ' + JSON.stringify(await readFile(new URL(url), 'utf8'));
          return { format: 'module', shortCircuit: true, source };
        }\`));
      const { openRedisStore } = await import('./src/queue/redis/open.ts');
      const { defaultLimits } = await import('./src/queue/store.ts');
      const { silentLogger } = await import('./src/core/logger.ts');
      const store = await openRedisStore({
        url: process.argv[1], prefix: 'lean', shards: 1, minReplicas: 0, allowUnsafe: false,
        limits: defaultLimits, idCheck: 'x', logger: silentLogger,
      });
      await store.check();
      await store.inbox.accept([]);
      console.log((await store.events.list('acme', { limit: 1 })).events.length);
      await store.close();`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program, server.url];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 15_000 });
    expect(stdout.trim()).toBe('0');
  });
});
