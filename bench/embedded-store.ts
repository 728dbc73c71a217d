/**
 * Measures the embedded store on this machine's disk, one JSON line:
 * `node node_modules/jiti/lib/jiti-cli.mjs bench/embedded-store.ts [folder]`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeCrypto } from '../src/core/crypto/crypto.node.ts';
import { type InboundEvent, noUsage } from '../src/core/event.ts';
import { createIdentifier } from '../src/core/identity.ts';
import { silentLogger } from '../src/core/logger.ts';
import { openEmbeddedStore } from '../src/queue/embedded/open.ts';
import type { ConversationRef } from '../src/queue/lease.ts';
import { defaultLimits, type Store } from '../src/queue/store.ts';

const identifier = createIdentifier(nodeCrypto, nodeCrypto.random(32));
let made = 0;

/** About 1 KB of JSON, the size of a Slack message with its payload; eight tenants, each event its own conversation. */
function makeEvent(): InboundEvent {
  made += 1;
  const tenant = `tenant-${made % 8}`;
  return {
    v: 1,
    id: identifier.eventId(Date.now()),
    tenant,
    channel: 'slack',
    kind: 'message',
    identity: identifier.identity(['bench', tenant], [made], []),
    windowMs: 3_600_000,
    conversation: identifier.conversation(['bench', tenant], String(made)),
    receivedAt: Date.now(),
    mentioned: false,
    author: { id: 'U1', kind: 'user' },
    text: 'hello',
    destination: { channel: 'C1' },
    payload: { text: 'x'.repeat(500) },
    sealed: {},
  };
}

/** Events a second over `seconds`, `width` accepts at a time. */
async function accepts(store: Store, width: number, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1_000;
  const startedAt = performance.now();
  let count = 0;
  const loop = async () => {
    while (performance.now() < until) {
      await store.inbox.accept([makeEvent()]);
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: width }, loop));
  return Math.round((count * 1_000) / (performance.now() - startedAt));
}

async function drain(store: Store, conversation: ConversationRef, begun: (event: InboundEvent) => void): Promise<void> {
  const taken = await store.lease.take(conversation);
  if (taken.kind !== 'head') return;
  begun(taken.record.event);
  const run = { startedAt: 0, outcome: 'silent', usage: noUsage } as const;
  await store.lease.finish(taken.lease, { kind: 'done', run }, false);
}

/** Runs a second until nothing is queued. */
async function drains(store: Store, concurrency: number): Promise<number> {
  const { queued = 0 } = (await store.jobs.stats()).states;
  const startedAt = performance.now();
  let left = queued;
  await new Promise<void>((resolve) => {
    const consumer = store.jobs.consume({
      concurrency,
      run: (conversation) =>
        drain(store, conversation, () => {
          left -= 1;
          if (left === 0) void consumer.close(1_000).then(resolve);
        }),
    });
  });
  return Math.round((queued * 1_000) / (performance.now() - startedAt));
}

/** From asking to accept until the run has its event, at 200 events/s. */
async function latencies(store: Store, count: number): Promise<{ p50: number; p99: number }> {
  const askedAt = new Map<string, number>();
  const took: number[] = [];
  const consumer = store.jobs.consume({
    concurrency: 32,
    run: (conversation) =>
      drain(store, conversation, ({ id }) => took.push(performance.now() - (askedAt.get(id) ?? 0))),
  });
  for (let i = 0; i < count; i += 1) {
    const event = makeEvent();
    askedAt.set(event.id, performance.now());
    void store.inbox.accept([event]);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await consumer.close(5_000);
  took.sort((a, b) => a - b);
  const at = (share: number) => Number((took[Math.floor(took.length * share)] ?? 0).toFixed(2));
  return { p50: at(0.5), p99: at(0.99) };
}

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'sallyport-bench-'));
const store = await openEmbeddedStore({
  path: join(folder, 'store.db'),
  limits: { ...defaultLimits, queueCap: 1_000_000 },
  idCheck: 'bench',
  logger: silentLogger,
});
const acceptsOne = await accepts(store, 1, 3);
const accepts50 = await accepts(store, 50, 3);
const drained = await drains(store, 32);
const latency = await latencies(store, 1_000);
console.log(
  JSON.stringify({ acceptsOne, accepts50, drained, latencyMs: latency, rssMb: process.memoryUsage().rss >> 20 }),
);
await store.close();
rmSync(folder, { recursive: true });
