/**
 * A worker process whose runs stop at named points and never go on, until somebody kills it:
 * `reply-kill-child <plan as JSON>`. Product code, composed as the product composes it, with ports that stop.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Replier } from '../../../src/channels/channel.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { isJsonObject } from '../../../src/core/json/json-text.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import type { Journal } from '../../../src/queue/journal.ts';
import type { Lease } from '../../../src/queue/lease.ts';
import { openRedisStore } from '../../../src/queue/redis/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import { createScrubber } from '../../../src/scrub/scrubber.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { type RunDeps, run } from '../../../src/workers/run.ts';
import { seeded } from '../campaign.ts';
import {
  type Fact,
  LEASE_MS,
  type Point,
  REPLY_TIMEOUT_MS,
  replyTo,
  SEAL_KEY,
  type Target,
  type WorkerPlan,
} from './plan.ts';
import { createRepliers, createWorkerDeps } from './worker-deps.ts';

const plan = JSON.parse(process.argv[2] ?? '') as WorkerPlan;
const random = seeded(plan.seed);
const log = openSync(plan.history, 'a');
const note = (fact: Fact): void => void writeSync(log, `${JSON.stringify(fact)}\n`);

const byConversation = new Map(plan.targets.map((target) => [target.conversation, target]));
const byEvent = new Map(plan.targets.map((target) => [target.eventId, target]));
const stopped = new Set<Target>();
const forever = new Promise<never>(() => {});

/** Stops for ever when this is where the target is to be stopped. What has been stopped does nothing any more. */
async function reach(target: Target | undefined, point: Point, isHere = true): Promise<void> {
  if (target === undefined) return;
  if (stopped.has(target)) return forever;
  if (target.point !== point || !isHere) return;
  await delay(40 * random());
  stopped.add(target);
  note({ what: 'at', name: target.name });
  return forever;
}

const stoppingLease = (lease: Lease): Lease => ({
  ...lease,
  async take(conversation) {
    const target = byConversation.get(conversation.key);
    await reach(target, 'before_lease');
    const taken = await lease.take(conversation);
    await reach(target, 'after_lease', taken.kind === 'head');
    return taken;
  },
  async finish(held, outcome, more) {
    const target = byConversation.get(held.conversation.key);
    const isReleased = outcome.kind === 'released';
    // Half of them before the store has it back, half after.
    const isBefore = plan.seed % 2 === 0;
    await reach(target, 'during_shutdown', isReleased && isBefore);
    const taken = await lease.finish(held, outcome, more);
    await reach(target, isReleased ? 'during_shutdown' : 'after_finish', outcome.kind === 'done' || isReleased);
    return taken;
  },
});

const stoppingJournal = (journal: Journal): Journal => ({
  ...journal,
  async record(held, step, entry, holdMs) {
    const target = byConversation.get(held.conversation.key);
    const isReply = step === 'reply';
    const isPart = (at: string): boolean => target?.part.step === step && target.part.at === at;
    await reach(target, 'after_model', step === 'model:0');
    await reach(target, 'before_intent', isReply && entry.kind === 'intent');
    await reach(target, 'during_parts', entry.kind === 'intent' && isPart('intent'));
    await reach(target, 'after_response', isReply && entry.kind === 'result');
    const isRecorded = await journal.record(held, step, entry, holdMs);
    await reach(target, 'after_journal', step === 'model:0');
    await reach(target, 'after_intent', isReply && entry.kind === 'intent');
    await reach(target, 'after_result', isReply && entry.kind === 'result');
    await reach(target, 'during_parts', entry.kind === 'result' && isPart('result'));
    return isRecorded;
  },
});

/** Whose message is being posted, and under which step. */
const posting = new AsyncLocalStorage<{ target: Target | undefined; step: string }>();

const stoppingReplier = (replier: Replier): Replier => ({
  ...replier,
  send(message, context) {
    const part = /-(\d+)$/.exec(context.replyId)?.[1];
    const step = part === undefined ? 'reply' : `reply:${part}`;
    return posting.run({ target: byEvent.get(context.eventId), step }, () => replier.send(message, context));
  },
});

const isPost = (url: string): boolean => /chat\.postMessage$|\/activities(\/|$)|\/reply$|messages\/send/.test(url);
const lost = new Set<Target>();
const realFetch = globalThis.fetch;

/** The vendor has done it, and its answer is not read. */
globalThis.fetch = async (input, init) => {
  const response = await realFetch(input, init);
  const { target, step } = posting.getStore() ?? {};
  const url = new URL(input instanceof Request ? input.url : input);
  if (target === undefined || !isPost(url.pathname)) return response;
  await reach(target, 'during_call');
  await reach(target, 'during_parts', target.part.step === step && target.part.at === 'call');
  if (target.point === 'lost_response' && !lost.has(target)) {
    lost.add(target);
    note({ what: 'at', name: target.name });
    throw new TypeError('fetch failed', { cause: Object.assign(new Error('read'), { code: 'ECONNRESET' }) });
  }
  return response;
};

const shutdown = new AbortController();

/** Says what it said before, if its words were recorded. */
const agent: Agent = {
  name: 'recording',
  isFree: true,
  async run({ event }, { steps }) {
    const earlier = steps.earlier('model:0')?.value;
    if (isJsonObject(earlier) && typeof earlier.text === 'string') return { kind: 'reply', text: earlier.text };
    note({ what: 'asked', name: event.text });
    const target = byEvent.get(event.id);
    if (target?.point === 'during_shutdown') {
      note({ what: 'hangs', name: event.text });
      await forever;
    }
    const [, vendor, point] = event.text.split('-') as [string, Target['vendor'], Point];
    const text = replyTo({ name: event.text, vendor, point } as Target, randomBytes(3).toString('hex'));
    await steps.record('model:0', { kind: 'result', value: { text } });
    return { kind: 'reply', text };
  },
};

const limits = { ...defaultLimits, leaseMs: LEASE_MS, rewakeMs: 2 * LEASE_MS };
const common = { limits, idCheck: 'check', logger: silentLogger };
const scrub = createScrubber({ crypto: nodeCrypto, key: SEAL_KEY });

const repliers = new Map(
  Object.entries(createRepliers(plan, scrub)).map(([vendor, one]) => [vendor, stoppingReplier(one)]),
);
const replier = (_: string, channel: string): Replier => {
  const found = repliers.get(channel);
  if (found === undefined) throw new Error('no such vendor');
  return found;
};

async function work(at: WorkerPlan['stores'][number]) {
  const store: Store =
    'path' in at
      ? await openEmbeddedStore({ ...common, ...at })
      : await openRedisStore({
          ...{ ...common, ...at, shards: 1, minReplicas: 0, allowUnsafe: false },
          relay: { claimMs: LEASE_MS / 2 },
        });
  const deps: RunDeps = {
    ...createWorkerDeps(store, scrub),
    agentFor: () => agent,
    replier,
    lease: stoppingLease(store.lease),
    journal: stoppingJournal(store.journal),
    random,
    leaseMs: LEASE_MS,
    maxAttempts: 5,
    replyTimeoutMs: REPLY_TIMEOUT_MS,
    shutdown: shutdown.signal,
    isStopping: () => shutdown.signal.aborted,
  };
  return store.jobs.consume({ concurrency: 64, run: (conversation) => run(conversation, deps) });
}

// Loaded with the first reply otherwise, and all of them would wait for that.
await import('@slack/bolt');
const consumers = await Promise.all(plan.stores.map(work));
process.on('SIGTERM', () => {
  shutdown.abort();
  for (const consumer of consumers) void consumer.close(30_000);
});
