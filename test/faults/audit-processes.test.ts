import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { beforeAll, expect, it } from 'vitest';
import { type AuditEntry, hashOf } from '../../src/core/audit/chain.ts';
import { sha256 } from '../../src/core/crypto/sha256.node.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { scripts } from '../../src/queue/redis/scripts.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { wholeChain } from '../support/audit.ts';
import type { AuditPlan } from '../support/audit-plan.ts';
import { ensureBuilt } from '../support/built.ts';
import { bundle } from '../support/bundle.ts';
import { endWithParent } from '../support/children.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis, startRedis, startRedisCluster } from '../support/redis.ts';
import { createTestStores } from '../support/redis-store.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';

let program: string;
beforeAll(async () => {
  program = await bundle('test/support/audit-child.ts');
});

interface Crowd {
  readonly processes: number;
  readonly writers: number;
  /** Calls of each writer; each adds two entries. */
  readonly each: number;
  /** How many of the processes are killed amid their work. */
  readonly kills: number;
}

const EIGHT: Crowd = { processes: 8, writers: 4, each: 30, kills: 2 };
/** 20,000 entries. */
const FOUR: Crowd = { processes: 4, writers: 100, each: 25, kills: 0 };

/** Everything that was acknowledged to any of several processes at once. */
async function tellAll(store: AuditPlan['store'], folder: string, crowd: Crowd): Promise<string[]> {
  const { processes, writers, each, kills } = crowd;
  const plans = Array.from({ length: processes }, (_, n) => ({
    store,
    name: `p${n}`,
    writers,
    each: n < kills ? 1_000_000 : each,
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
async function expectWhole(store: Store, acknowledged: readonly string[]): Promise<AuditEntry[]> {
  const entries = await wholeChain(store, 'acme');
  const subjects = entries.map(({ subject }) => subject);
  expect(new Set(subjects).size).toBe(subjects.length);
  expect(acknowledged.filter((subject) => !subjects.includes(subject))).toEqual([]);
  for (const [at, subject] of subjects.entries()) {
    if (subject.endsWith('.0')) expect(subjects[at + 1]).toBe(subject.replace(/0$/, '1'));
  }
  return entries;
}

/** Of 20,000 entries the export is whole, and whatever is done to one of them is named by it. */
async function expectEachAlterationNamed(entries: readonly AuditEntry[], folder: string): Promise<void> {
  await ensureBuilt();
  const lines = entries.map((entry) => JSON.stringify(entry));
  const head = entries.at(-1)?.hash ?? '';
  const verify = (given: readonly string[], ...args: string[]) =>
    sallyport(['audit', 'verify', '-', ...args], { folder, input: given.join('\n') });
  const whole = `20000 entries of acme, 1 to 20000, whole; head ${head}\n`;
  expect(await verify(lines)).toEqual({ code: 0, out: whole, err: '' });
  const [n, other] = [12_345, 678];
  const change = (by: object): string[] => lines.with(n - 1, JSON.stringify({ ...entries[n - 1], ...by }));
  const rehashed = (by: object): string[] => {
    const { hash: _, ...entry } = { ...(entries[n - 1] as AuditEntry), ...by };
    return lines.with(n - 1, JSON.stringify({ ...entry, hash: hashOf(entry, sha256) }));
  };
  const moved = lines[other] ?? '';
  const alterations: readonly [named: number, why: RegExp, given: readonly string[], ...args: string[]][] = [
    [n, /was altered/, change({ actor: 'user:eve' })],
    [n, /was altered/, change({ data: {} })],
    [n, /was altered/, change({ at: '2020-01-01T00:00:00.000Z' })],
    [n + 1, /follows another entry/, rehashed({ subject: 'another' })],
    [n, /missing/, lines.toSpliced(n - 1, 1)],
    [n, /missing/, lines.toSpliced(n - 1, 500)],
    [n - 1, /does not belong here/, lines.toSpliced(n - 1, 0, lines[n - 2] ?? '')],
    [other + 1, /does not belong here/, lines.toSpliced(n - 1, 0, moved)],
    [n, /tenant/, rehashed({ tenant: 'globex' })],
    [20_000, /./, lines.slice(0, -1), '--head', head],
  ];
  for (const [named, why, given, ...args] of alterations) {
    const { code, err } = await verify(given, ...args);
    expect([code, err.split(':')[0]]).toEqual([1, `entry ${named}`]);
    expect(err).toMatch(why);
  }
}

it('of eight processes over one file the audit is one chain, though some are killed', async () => {
  const folder = await testFolder();
  const path = `${folder}/store.db`;
  const options = { path, limits: defaultLimits, idCheck: 'check', logger: silentLogger };
  const store = await openEmbeddedStore(options);
  await expectWhole(store, await tellAll({ path }, folder, EIGHT));
  await store.close();
});

it('of four processes with 100 writers each over one file the audit is one chain of 20,000 entries', async () => {
  const folder = await testFolder();
  const path = `${folder}/store.db`;
  const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
  const acknowledged = await tellAll({ path }, folder, FOUR);
  expect(acknowledged).toHaveLength(20_000);
  await expectWhole(store, acknowledged);
  await store.close();
});

describeRedis('over Redis the audit', () => {
  it('of four processes with 100 writers each is one chain of 20,000 entries, and names what is altered in it', async () => {
    const folder = await testFolder();
    const server = await startRedis();
    const stores = createTestStores();
    const store = await stores.open(server.url);
    const acknowledged = await tellAll({ url: server.url, prefix: stores.prefix }, folder, FOUR);
    expect(acknowledged).toHaveLength(20_000);
    const entries = await expectWhole(store, acknowledged);
    expect(entries).toHaveLength(20_000);
    await expectEachAlterationNamed(entries, folder);
    await stores.close();
    await server.stop();
  });

  it('of eight processes is one chain, though some are killed', async () => {
    const folder = await testFolder();
    const server = await startRedis();
    const stores = createTestStores();
    const store = await stores.open(server.url);
    const acknowledged = await tellAll({ url: server.url, prefix: stores.prefix }, folder, EIGHT);
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
