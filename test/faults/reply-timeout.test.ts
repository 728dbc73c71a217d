import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { loadHalves } from '../../src/app/roles.node.ts';
import { openRuntime } from '../../src/app/runtime.node.ts';
import { openChannels } from '../../src/app/worker.node.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { type RunDeps, run } from '../../src/workers/run.ts';
import { SEAL_KEY, vendors } from '../support/reply-kill/plan.ts';
import { createWorkerDeps } from '../support/reply-kill/worker-deps.ts';
import { settled, startWorld } from '../support/reply-kill/world.ts';
import { type Front, startFront } from '../support/vendor-faults/front.ts';

/** The product's own composition, with vendors that take longer than its other calls may (10 s). */

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const isPost = (path: string): boolean => /chat\.postMessage$|\/activities(\/|$)|\/reply$|messages\/send/.test(path);

test('a reply timeout above 10 s is honoured on every channel: an answer after 11 s is waited for', async () => {
  const fronts: Front[] = [];
  const world = await startWorld(async (_, url) => {
    const front = await startFront(url, (path) => (isPost(path) ? { effectAt: 11_000, answer: 'truth' } : undefined));
    fronts.push(front);
    return front.url;
  });
  cleanups.push(world.stop, () => Promise.all(fronts.map((front) => front.stop())));
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-reply-timeout-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));

  const { urls, graph } = world.plan;
  const key = Buffer.from(SEAL_KEY).toString('base64');
  const acme = {
    slack: { signingSecrets: ['a-signing-secret-of-32-characters'], botToken: 'xoxb-local-token', apiUrl: urls.slack },
    graph: { ...graph, baseUrl: urls.graph, authorityUrl: urls.graph },
    teams: {
      ...{ appId: 'app', appPassword: 'password', tokenUrl: urls.teamsToken },
      serviceHosts: [new URL(urls.teams).host],
    },
    gmail: {
      ...{ audience: 'here', serviceAccount: 'push@example.com', subscription: 'projects/p1/subscriptions/s1' },
      baseUrl: urls.gmail,
    },
  };
  const environment = { SALLYPORT_REPLY_TIMEOUT: '20s', SALLYPORT_DATA_DIR: folder, LOG_LEVEL: 'silent' };
  const keys = { SALLYPORT_SEAL_KEY: key, SALLYPORT_ID_KEY: key };
  const loaded = loadConfig({ tenants: { acme } }, { ...environment, ...keys }, 'worker');
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'));
  const runtime = await openRuntime(loaded.config, 'all', false);
  const { store } = runtime;
  cleanups.push(() => store.close());

  const events = vendors.map((vendor) => world.event(vendor, `late-${vendor}`));
  await store.inbox.accept(events);
  const { replier } = openChannels(runtime, await loadHalves(runtime), async () => {});
  const deps: RunDeps = {
    ...createWorkerDeps(store, runtime.scrub),
    agentFor: () => ({ name: 'fixed', isFree: true, run: async () => ({ kind: 'reply', text: 'late but once' }) }),
    replier,
    lease: store.lease,
    journal: store.journal,
    random: Math.random,
    leaseMs: loaded.config.worker.lease,
    maxAttempts: 5,
    replyTimeoutMs: loaded.config.worker.replyTimeout,
    shutdown: new AbortController().signal,
    isStopping: () => false,
    meter: silentMeter,
  };
  const consumer = store.jobs.consume({ concurrency: 8, run: (conversation) => run(conversation, deps) });
  cleanups.push(() => consumer.close(1_000));
  const records: EventRecord[] = await settled(
    store,
    events.map(({ id: eventId }) => ({ eventId })),
    60_000,
  );
  // One attempt each: it was not given up and found again later.
  expect(records.map(({ event, state, attempts }) => [event.channel, state, attempts])).toEqual(
    vendors.map((vendor) => [vendor, 'done', 1]),
  );
  expect(world.posted()).toHaveLength(vendors.length);
}, 120_000);
