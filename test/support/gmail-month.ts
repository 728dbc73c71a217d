import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGmailReplier } from '../../src/channels/gmail/reply/reply.ts';
import { createWatches } from '../../src/channels/gmail/sync/mailbox-state.ts';
import { createGmailKeeperTask } from '../../src/channels/gmail/sync/subscriptions.ts';
import { codeOf } from '../../src/core/errors.ts';
import type { EventRecord } from '../../src/core/event.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { signPushToken } from '../../src/testing/gmail/google-signer.ts';
import type { LocalMailbox } from '../../src/testing/gmail/mailbox.ts';
import { gmailPush, isAcknowledged, newPushId, withToken } from '../../src/testing/gmail/pubsub-sender.ts';
import { type GmailFault, type GmailServer, startGmailServer } from '../../src/testing/gmail/server.ts';
import { type KeyServer, startKeyServer } from '../../src/testing/keys/key-server.ts';
import { createSigningKey } from '../../src/testing/keys/signing-key.ts';
import { createGuardrails } from '../../src/workers/guardrails/guardrails.ts';
import { type RunDeps, run } from '../../src/workers/run.ts';
import { auditOver } from './audit.ts';
import { budgetsOver } from './budget.ts';
import { seeded } from './campaign.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { AUDIENCE, deliver, googleKey, MAILBOX, openGmailDoor, SERVICE_ACCOUNT, SUBSCRIPTION, scrub } from './gmail.ts';
import { openGmailWorker, prepared, TENANT } from './gmail-worker.ts';
import { reviewing } from './review.ts';
import { shakyStore } from './shaky-store.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { until } from './until.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Where a month's thousand commits cost no disk: what they survive is other tests' business. */
const MEMORY = '/dev/shm';

/** Google's next key; made once for all seeds. */
const nextKey = createSigningKey({ kid: 'google-2' });

/** What was done to the gate, by name. */
export type Faults = Map<string, number>;

export interface MonthReport {
  readonly faults: Faults;
  /** Gmail ids of the messages that people wrote to the mailbox. */
  readonly written: readonly string[];
  /** Gmail ids of messages that nobody should answer. */
  readonly noise: readonly string[];
  /** How often the agent ran, by Gmail id. */
  readonly runs: ReadonlyMap<string, number>;
  /** How often a message was answered, by the Message-ID it was answered to. */
  readonly replies: ReadonlyMap<string, number>;
  readonly records: readonly EventRecord[];
  /** The least time that was left of a watch, in ms. */
  readonly leastWatchMs: number;
  readonly gaps: number;
}

interface World {
  readonly clock: FakeClock;
  readonly random: () => number;
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly count: (fault: string) => void;
  /** Hours, days and outages of this seed. */
  readonly weather: Weather;
}

/** What is wrong at the moment. */
interface Weather {
  isCalm: boolean;
  isPushLost: boolean;
  isGateDown: boolean;
  isGmailDown: boolean;
  historyMs: number;
  key: typeof googleKey;
}

/** A month of one mailbox in accelerated time, with everything going wrong that the vendors say may. */
export async function simulateMonth(seed: number): Promise<MonthReport> {
  const clock = createFakeClock();
  const faults: Faults = new Map();
  const world: World = {
    clock,
    random: seeded(seed),
    timeline: createTimeline(clock),
    faults,
    count: (fault) => faults.set(fault, (faults.get(fault) ?? 0) + 1),
    weather: {
      isCalm: false,
      isPushLost: false,
      isGateDown: false,
      isGmailDown: false,
      historyMs: 7 * DAY,
      key: googleKey,
    },
  };
  const folder = await mkdtemp(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'sallyport-month-'));
  const keys = await startKeyServer([googleKey]);
  const path = join(folder, 'month.db');
  const limits = { ...defaultLimits, retentionMs: 90 * DAY };
  const store = await openEmbeddedStore({ path, limits, idCheck: 'test', logger: silentLogger, clock: clock.now });
  const server = await startVendor(world, (historyId) => publish(historyId));
  const gate = openGate(world, store, server, keys);
  const publish = createPubSub(world, gate.post);
  try {
    return await live(world, gate, server, keys);
  } finally {
    await server.stop();
    await keys.stop();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Gmail, as unreliable as its documentation allows. */
function startVendor(
  { clock, random, weather, count }: World,
  onPublish: (historyId: string) => void,
): Promise<GmailServer> {
  const kinds: readonly GmailFault[] = [429, 403, 500, 503, 'reset', 'lost-answer', 'timeout'];
  return startGmailServer({
    clock: clock.now,
    random,
    historyMs: () => weather.historyMs,
    // Mostly at once, sometimes seconds and rarely a minute and a half late.
    historyLagMs: () => {
      const lag = weather.isCalm || random() < 0.6 ? 0 : random() < 0.8 ? random() * 5_000 : random() * 90_000;
      if (lag > 0) count('index lagged');
      return lag;
    },
    searchLagMs: () => (weather.isCalm ? 0 : random() * 5_000),
    pageSize: 3,
    fault: () => {
      if (weather.isGmailDown) {
        count('gmail was down');
        return 503;
      }
      if (weather.isCalm || random() > 0.12) return undefined;
      const kind = kinds[Math.floor(random() * kinds.length)];
      if (kind !== undefined) count(`gmail answered ${kind}`);
      return kind;
    },
    onPublish: (_, historyId) => onPublish(historyId),
  });
}

/** Pub/Sub: loses, repeats, delays and swaps pushes, and sends again until it is answered as it likes. */
function createPubSub(world: World, post: (historyId: string, messageId: string) => Promise<boolean>) {
  const { timeline, random, weather, count } = world;
  let latest = 0n;
  const attempt = async (historyId: string, messageId: string, tries: number): Promise<void> => {
    if (BigInt(historyId) < latest) count('push came after a later one');
    if (BigInt(historyId) > latest) latest = BigInt(historyId);
    if (await post(historyId, messageId)) return;
    count('push was sent again');
    timeline.after(Math.min(600_000, 10_000 * 2 ** tries), () => attempt(historyId, messageId, tries + 1));
  };
  return (historyId: string): void => {
    if (weather.isPushLost || (!weather.isCalm && random() < 0.1)) {
      count('push was lost');
      return;
    }
    const messageId = newPushId();
    const isLate = !weather.isCalm && random() < 0.2;
    if (isLate) count('push was delayed');
    const delay = isLate ? random() * 2 * HOUR : 200 + random() * 2_000;
    timeline.after(delay, () => attempt(historyId, messageId, 0));
    if (weather.isCalm || random() > 0.15) return;
    count('push was repeated');
    timeline.after(delay + random() * HOUR, () => attempt(historyId, messageId, 0));
  };
}

interface Gate {
  /** Delivers a push; true when Pub/Sub takes the answer for an acknowledgement. */
  readonly post: (historyId: string, messageId: string) => Promise<boolean>;
  readonly tick: () => Promise<void>;
  /** Runs what is due. */
  readonly settle: () => Promise<void>;
  /** What an operator does with what was parked. */
  readonly redrive: () => Promise<void>;
  readonly records: () => Promise<EventRecord[]>;
  readonly runs: ReadonlyMap<string, number>;
  readonly leastWatchMs: () => number;
  readonly gaps: () => Promise<number>;
  readonly isBegun: () => Promise<boolean>;
}

function openGate(world: World, store: Store, server: GmailServer, keys: KeyServer): Gate {
  const { clock, random, weather, count, timeline } = world;
  const shaky = shakyStore({ random, count, isCalm: () => weather.isCalm }, store);
  const app = openGmailDoor({ store: shaky.store, jwksUrl: keys.jwksUrl, clock: clock.now });
  const worker = openGmailWorker({ store: shaky.store, url: server.url, clock, timeoutMs: 60 });
  const runs = new Map<string, number>();
  const { reader } = worker;
  const replier = createGmailReplier({ client: worker.deps.client, scrub });
  const deps: RunDeps = {
    agentFor: () => ({
      name: 'echo',
      run: async ({ event }) => {
        const id = String((event.payload as { messageId?: string }).messageId);
        runs.set(id, (runs.get(id) ?? 0) + 1);
        return { kind: 'reply', text: `echo: ${event.text}` };
      },
    }),
    guardrailsWith: (own) => createGuardrails(own, { meter: silentMeter, logger: silentLogger }),
    memory: null,
    replier: () => replier,
    reader: () => reader,
    inbox: shaky.store.inbox,
    prepare: prepared,
    lease: store.lease,
    journal: store.journal,
    scrub,
    meter: silentMeter,
    clock: clock.now,
    random,
    leaseMs: defaultLimits.leaseMs,
    maxAttempts: 5,
    replyTimeoutMs: 10_000,
    blockedNotice: null,
    disclosureOf: () => null,
    openBudget: budgetsOver(store, { clock: clock.now }),
    shutdown: new AbortController().signal,
    logger: silentLogger,
    ...reviewing(),
    isStopping: () => false,
    audit: auditOver(store),
  };
  let leastWatchMs = Number.POSITIVE_INFINITY;
  const task = createGmailKeeperTask({
    ...worker.deps,
    watches: createWatches(store.records, TENANT),
    topic: 'projects/p/topics/gmail',
    random,
    boxes: [MAILBOX],
    pollAfterMs: 6 * HOUR,
    accept: async (events) => {
      await shaky.store.inbox.accept(prepared(events));
    },
  });
  const settle = async (): Promise<void> => {
    for (const ref of shaky.due()) {
      await run(ref, deps);
      // What is left waits for its turn: back-off, or a conversation longer than one wake takes.
      if (await shaky.isOpen(ref)) timeline.after(2_000, () => shaky.wake(ref));
    }
  };
  return {
    runs,
    settle,
    leastWatchMs: () => leastWatchMs,
    post: async (historyId, messageId) => {
      if (weather.isGateDown) {
        count('gate was down');
        return false;
      }
      const token = signPushToken({
        key: weather.key,
        audience: AUDIENCE,
        serviceAccount: SERVICE_ACCOUNT,
        at: clock.now(),
      });
      const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId, messageId, at: clock.now() });
      return isAcknowledged((await deliver(app, withToken(push, token))).status);
    },
    tick: async () => {
      const report = await task.run(new AbortController().signal).catch((error: unknown) => {
        // The keeper logs it and comes back with its next round.
        if (codeOf(error) !== 'ERR_STORE_UNAVAILABLE') throw error;
        count('keeper found the store away');
      });
      const source = report?.sources[0];
      if (source?.expiresAt != null) leastWatchMs = Math.min(leastWatchMs, source.expiresAt - clock.now());
    },
    records: shaky.records,
    redrive: async () => {
      for (const { event, state } of await shaky.records()) {
        if (state !== 'parked') continue;
        count('operator redrove');
        const { kind } = await store.events.redrive(TENANT, event.id);
        if (kind === 'ok') shaky.reopen(event.id, { tenant: TENANT, key: event.conversation.key });
      }
    },
    isBegun: async () => (await worker.mailboxes.read(MAILBOX)) !== null,
    gaps: async () => (await worker.mailboxes.read(MAILBOX))?.gaps.length ?? 0,
  };
}

async function live(world: World, gate: Gate, server: GmailServer, keys: KeyServer): Promise<MonthReport> {
  const { clock, timeline, weather, random, count, faults } = world;
  const start = clock.now();
  const end = start + 30 * DAY;
  const mailbox = server.mailbox(MAILBOX);
  const written: string[] = [];
  const noise: string[] = [];
  const write = (): void => void written.push(mailbox.deliver({ text: `message ${written.length}` }).id);
  // The month begins when the keeper has found its mailbox; whether Gmail could be asked by then is another matter.
  const begin = async (): Promise<boolean> => {
    const isBegun = await gate.isBegun();
    if (!isBegun) await gate.tick();
    return isBegun;
  };
  await until('the keeper has found its mailbox', begin, { everyMs: 0 });
  for (let time = start + HOUR; time < end + 4 * DAY; time += HOUR) timeline.at(time, gate.tick);
  for (let day = 1; day <= 34; day += 1) timeline.at(start + day * DAY, gate.redrive);
  for (let at = start + MINUTE; at < end; at += random() * 30 * HOUR) {
    timeline.at(at, write);
    // A burst: three at once, while the first is being read.
    if (random() < 0.15) for (const ms of [500, 1_500]) timeline.at(at + ms, write);
  }
  for (let at = start + HOUR; at < end; at += random() * 60 * HOUR)
    timeline.at(at, () => disturb(mailbox, random, noise));
  const during = (from: number, ms: number, begin: () => void, over: () => void): void => {
    timeline.at(start + from, begin);
    timeline.at(start + from + ms, over);
  };
  during(
    3 * DAY,
    30 * HOUR,
    () => Object.assign(weather, { isPushLost: true, historyMs: 2 * HOUR }),
    () => Object.assign(weather, { isPushLost: false, historyMs: 7 * DAY }),
  );
  timeline.at(start + 3 * DAY + MINUTE, write);
  timeline.at(start + 4 * DAY, write);
  during(
    12 * DAY,
    3 * HOUR,
    () => Object.assign(weather, { isGateDown: true }),
    () => Object.assign(weather, { isGateDown: false }),
  );
  for (const minutes of [1, 20, 40, 60, 80]) timeline.at(start + 12 * DAY + minutes * MINUTE, write);
  during(
    20 * DAY,
    40 * MINUTE,
    () => Object.assign(weather, { isGmailDown: true }),
    () => Object.assign(weather, { isGmailDown: false }),
  );
  for (const minutes of [0, 1, 2, 5, 10]) timeline.at(start + 20 * DAY + minutes * MINUTE, write);
  timeline.at(start + 15 * DAY, () => {
    count('google rotated its key');
    weather.key = nextKey;
    keys.publish([nextKey]);
  });
  await timeline.runUntil(end, gate.settle);
  // Three quiet days, in which everything that was late arrives.
  weather.isCalm = true;
  await timeline.runUntil(end + 3 * DAY, gate.settle);
  return {
    faults,
    written,
    noise,
    runs: gate.runs,
    replies: repliesOf(server),
    records: await gate.records(),
    leastWatchMs: gate.leastWatchMs(),
    gaps: await gate.gaps(),
  };
}

/** What goes on in a mailbox besides mail that people write to it. */
function disturb(mailbox: LocalMailbox, random: () => number, noise: string[]): void {
  const kinds = [
    () => mailbox.deliver({ labels: ['DRAFT'] }).id,
    () => mailbox.deliver({ labels: ['SENT'], from: MAILBOX }).id,
    () => mailbox.deliver({ headers: { 'Auto-Submitted': 'auto-generated' } }).id,
    () => mailbox.deliver({ labels: ['SPAM'] }).id,
  ];
  const made = kinds[Math.floor(random() * kinds.length)]?.();
  if (made !== undefined) noise.push(made);
  const messages = mailbox.messages();
  const touched = messages[Math.floor(random() * messages.length)];
  if (touched !== undefined) mailbox.touch(touched.id);
  if (random() < 0.3) mailbox.skip(3);
}

function repliesOf({ sent }: GmailServer): Map<string, number> {
  const replies = new Map<string, number>();
  for (const { headers } of sent) {
    const to = headers.find(({ name }) => name === 'In-Reply-To')?.value ?? '';
    replies.set(to, (replies.get(to) ?? 0) + 1);
  }
  return replies;
}
