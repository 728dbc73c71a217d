import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { beforeAll, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { scripts } from '../../src/queue/redis/scripts.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { wholeChain } from '../support/audit.ts';
import type { AuditPlan } from '../support/audit-plan.ts';
import { bundle } from '../support/bundle.ts';
import { endWithParent } from '../support/children.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis, startRedisCluster } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

let program: string;
beforeAll(async () => {
  program = await bundle('test/support/audit-child.ts');
});

/** Eight processes at once, some of which are killed amid their work. */
async function tellAll(store: AuditPlan['store'], folder: string, kills: number): Promise<string[]> {
  const plans = Array.from({ length: 8 }, (_, n) => ({
    store,
    name: `p${n}`,
    each: n < kills ? 1_000_000 : 30,
    acknowledged: `${folder}/p${n}.acknowledged`,
  }));
  const linesOf = ({ acknowledged }: AuditPlan): string[] =>
    existsSync(acknowledged) ? readFileSync(acknowledged, 'utf8').split('\n').filter(Boolean) : [];
  await Promise.all(
    plans.map(async (plan, n) => {
      const child = spawn(process.execPath, [program, JSON.stringify(plan)], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      const ended = once(endWithParent(child), 'exit');
      if (n < kills) {
        await until('it has told a few', () => linesOf(plan).length >= 10, { everyMs: 10 });
        child.kill('SIGKILL');
      }
      const [code] = await ended;
      if (n >= kills) expect(code).toBe(0);
    }),
  );
  return plans.flatMap(linesOf);
}

/** Whole, with everything acknowledged in it once, and what one call gave next to each other. */
async function expectWhole(store: Store, acknowledged: readonly string[]): Promise<void> {
  const subjects = (await wholeChain(store, 'acme')).map(({ subject }) => subject);
  expect(new Set(subjects).size).toBe(subjects.length);
  expect(acknowledged.filter((subject) => !subjects.includes(subject))).toEqual([]);
  for (const [at, subject] of subjects.entries()) {
    if (subject.endsWith('.0')) expect(subjects[at + 1]).toBe(subject.replace(/0$/, '1'));
  }
}

it('of eight processes over one file the audit is one chain, though some are killed', async () => {
  const folder = await testFolder();
  const path = `${folder}/store.db`;
  const options = { path, limits: defaultLimits, idCheck: 'check', logger: silentLogger };
  const store = await openEmbeddedStore(options);
  await expectWhole(store, await tellAll({ path }, folder, 2));
  await store.close();
});

describeRedis('over Redis the audit', () => {
  it('of eight processes is one chain, though some are killed', async () => {
    const folder = await testFolder();
    const server = await startRedis();
    const stores = createTestStores();
    const store = await stores.open(server.url);
    const acknowledged = await tellAll({ url: server.url, prefix: stores.prefix }, folder, 2);
    expect(acknowledged.length).toBeGreaterThanOrEqual(6 * 4 * 30 * 2);
    await expectWhole(store, acknowledged);
    await stores.close();
    await server.stop();
  });

  it('has an entry once although the answer to it was lost, whoever else adds meanwhile', async () => {
    const server = await startRedis();
    const proxy = await startTcpProxy(server.port);
    const stores = createTestStores();
    const store = await stores.open(`redis://127.0.0.1:${proxy.port}`);
    const other = await stores.open(server.url);
    const note = (subject: string) => ({ actor: 'system', action: 'run.finished', subject, data: {}, at: 1 }) as const;
    // Redis knows the script from here on, so that the reply lost below is not NOSCRIPT.
    await store.audit.append('acme', [note('warm')]);
    for (const [n, adds] of [false, true].entries()) {
      proxy.swallowReplyTo(`lost${n}`);
      const lost = store.audit.append('acme', [note(`lost${n}`), note(`lost${n}+`)]);
      const others = adds
        ? [other.audit.append('acme', [note('else')]), other.audit.append('acme', [note('more')])]
        : [];
      await Promise.all([lost, ...others]);
      expect(proxy.swallowed).toBe(n + 1);
    }
    const subjects = (await wholeChain(store, 'acme')).map(({ subject }) => subject);
    expect([...subjects].sort()).toEqual(['else', 'lost0', 'lost0+', 'lost1', 'lost1+', 'more', 'warm']);
    await stores.close();
    await proxy.close();
    await server.stop();
  });

  it('has what scripts parked, each once, although the reply to a step of taking it over was lost', async () => {
    const server = await startRedis();
    const proxy = await startTcpProxy(server.port);
    const stores = createTestStores();
    const store = await stores.open(`redis://127.0.0.1:${proxy.port}`);
    const admin = new Redis(server.port);
    const due = async (from: number, to: number): Promise<void> => {
      const parked = Array.from({ length: to - from }, (_, n) => `acme ev_${from + n} ERR_ATTEMPTS_EXHAUSTED`);
      await admin.rpush(`{${stores.prefix}:0}:audit-due`, ...parked);
    };
    await due(0, 1);
    const consumer = store.jobs.consume({ concurrency: 1, run: async () => {} });
    // Redis knows the scripts from here on, so that the reply lost below is not NOSCRIPT.
    await until('the first one is in the chain', async () => (await store.audit.head('acme')).seq === 1);
    proxy.swallowReplyTo(scripts.auditSettle.sha);
    await due(1, 251);
    await until('the list is empty', async () => (await admin.exists(`{${stores.prefix}:0}:audit-due`)) === 0);
    expect(proxy.swallowed).toBe(1);
    const subjects = (await wholeChain(store, 'acme')).map(({ subject }) => subject);
    expect(subjects).toEqual(Array.from({ length: 251 }, (_, n) => `ev_${n}`));
    await consumer.close(1_000);
    admin.disconnect();
    await stores.close();
    await proxy.close();
    await server.stop();
  });

  it('works on a Cluster', async () => {
    const cluster = await startRedisCluster();
    const stores = createTestStores();
    const store = await stores.open(cluster.url, { shards: 8 });
    const tenants = Array.from({ length: 12 }, (_, n) => `tenant-${n}`);
    for (const round of [1, 2]) {
      await Promise.all(
        tenants.map((tenant) =>
          store.audit.append(tenant, [
            { actor: 'system', action: 'run.finished', subject: `${round}`, data: {}, at: 1 },
          ]),
        ),
      );
    }
    for (const tenant of tenants) expect(await wholeChain(store, tenant)).toHaveLength(2);
    await stores.close();
    await cluster.stop();
  });
});
