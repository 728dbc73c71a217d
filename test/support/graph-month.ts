import type { EventRecord } from '../../src/core/event.ts';
import type { Disturbance } from '../../src/testing/graph/pushes.ts';
import type { GraphAsked, GraphFault } from '../../src/testing/graph/server.ts';
import type { GraphItem } from '../../src/testing/graph/signer.ts';
import type { Agent } from '../../src/workers/agent.ts';
import { seeded } from './campaign.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { type GraphGate, openGraphGate } from './graph-gate.ts';
import { createTimeline, type Timeline } from './timeline.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** How long things go wrong, and how long they are given to come right. */
const MONTH = 30 * DAY;
const CALM = 2 * DAY;

/** The keeper runs more often; what matters is that a run comes well within every deadline. */
const KEEP_EVERY = 4 * HOUR;
const DELIVER_EVERY = HOUR;

const MAILBOX = 'agent@example.com';
const CHAT = '19:meeting_abc@thread.v2';
const TEAM = 't1';
const CHANNEL = '19:general@thread.tacv2';

const resources = [`users/${MAILBOX}/messages`, `chats/${CHAT}/messages`, `teams/${TEAM}/channels/${CHANNEL}/messages`];

/** What was done to the gate, by name. */
export const graphFaults = [
  'push lost',
  'push twice',
  'push late',
  'push refused',
  'lifecycle lost',
  'reauthorization',
  'removed',
  'ended silently',
  'missed',
  'old mail touched',
  'throttled',
  'unavailable',
  'request lost',
  'answer lost',
  'gateway timeout',
  'parked and redriven',
] as const;
export type GraphFaultName = (typeof graphFaults)[number];

export interface GraphMonthReport {
  readonly faults: ReadonlyMap<GraphFaultName, number>;
  /** Texts that people wrote, and how often the agent ran for each. */
  readonly written: readonly string[];
  /** Those of them that were mails. */
  readonly mails: ReadonlySet<string>;
  readonly runs: ReadonlyMap<string, number>;
  /** How often each mail was answered, by its text. */
  readonly replies: ReadonlyMap<string, number>;
  readonly records: readonly EventRecord[];
  /** The least share of its life that a subscription had left when it was looked after. */
  readonly leastLeft: number;
  readonly wanted: readonly string[];
  /** Subscriptions at the end, by resource. */
  readonly subscriptions: readonly string[];
}

interface World {
  readonly gate: GraphGate;
  readonly clock: FakeClock;
  readonly random: () => number;
  readonly timeline: Timeline;
  readonly faults: Map<GraphFaultName, number>;
  readonly written: string[];
  readonly mails: Set<string>;
  readonly weather: Weather;
}

/** What is wrong at the moment. */
interface Weather {
  isCalm: boolean;
  isGateDown: boolean;
  /** Graph answers nothing but 503. */
  isGraphDown: boolean;
}

/** A month of a mailbox, a chat and a channel in accelerated time, with everything going wrong that Microsoft says may. */
export async function simulateGraphMonth(seed: number, folder?: string): Promise<GraphMonthReport> {
  const clock = createFakeClock();
  const random = seeded(seed);
  const faults: World['faults'] = new Map();
  const weather: Weather = { isCalm: false, isGateDown: false, isGraphDown: false };
  const runs = new Map<string, number>();
  const count = (fault: GraphFaultName): void => void faults.set(fault, (faults.get(fault) ?? 0) + 1);
  const gate = await openGraphGate({
    keep: resources,
    clock,
    random,
    agent: countingAgent(runs),
    isDraining: () => weather.isGateDown,
    graph: {
      disturb: (item) => disturb(item, weather, random, count),
      fault: (asked) => faultFor(asked, weather, random, count),
    },
    ...(folder !== undefined && { folder }),
  });
  try {
    const world: World = {
      gate,
      clock,
      random,
      timeline: createTimeline(clock),
      faults,
      written: [],
      mails: new Set(),
      weather,
    };
    const leastLeft = await live(world, count);
    return {
      faults,
      written: world.written,
      mails: world.mails,
      wanted: resources,
      runs,
      replies: repliesByText(world),
      records: await gate.events(),
      leastLeft,
      subscriptions: gate.graph.subscriptions().map(({ resource }) => resource),
    };
  } finally {
    await gate.stop();
  }
}

/** Answers mail, and only listens to Teams, where an app may not post. */
const countingAgent = (runs: Map<string, number>): Agent => ({
  name: 'counting',
  async run({ event }) {
    const text = event.text.split('\n').at(-1) ?? '';
    runs.set(text, (runs.get(text) ?? 0) + 1);
    const isMail = event.destination.kind === 'mail';
    return isMail ? { kind: 'reply', text: `about ${text}` } : { kind: 'silent' };
  },
});

function disturb(
  item: GraphItem,
  { isCalm }: Weather,
  random: () => number,
  count: (fault: GraphFaultName) => void,
): Disturbance {
  if (isCalm) return {};
  const isNews = item.lifecycleEvent === undefined;
  const chance = random();
  if (chance < (isNews ? 0.2 : 0.33)) {
    count(isNews ? 'push lost' : 'lifecycle lost');
    return { copies: 0 };
  }
  if (chance < 0.35) {
    count('push twice');
    return { copies: 2, delayMs: random() * HOUR };
  }
  if (chance < 0.6) {
    // Later than what came after it.
    count('push late');
    return { delayMs: random() * 3 * HOUR };
  }
  return {};
}

const kinds: readonly [GraphFaultName, GraphFault][] = [
  ['throttled', { kind: 'status', status: 429, retryAfter: 5 }],
  ['unavailable', { kind: 'status', status: 503 }],
  ['request lost', { kind: 'drop', after: 'nothing' }],
  ['answer lost', { kind: 'drop', after: 'effect' }],
  ['gateway timeout', { kind: 'late-status', status: 504 }],
];

function faultFor(
  { path }: GraphAsked,
  { isCalm, isGraphDown }: Weather,
  random: () => number,
  count: (fault: GraphFaultName) => void,
): GraphFault | undefined {
  if (isCalm || path.endsWith('/keys')) return undefined;
  if (isGraphDown) return { kind: 'status', status: 503 };
  if (random() >= 0.08) return undefined;
  const [name, fault] = kinds[Math.floor(random() * kinds.length)] ?? kinds[0] ?? [];
  if (name !== undefined) count(name);
  return fault;
}

/** Lets the month and the calm after it pass. Answers the least share of its life that a subscription had left. */
async function live(world: World, count: (fault: GraphFaultName) => void): Promise<number> {
  const { gate, clock, timeline, weather } = world;
  const start = clock.now();
  const end = start + MONTH + CALM;
  let leastLeft = 1;
  await gate.keep();
  planWriting(world, start);
  planTrouble(world, start, count);
  for (let at = start; at < end; at += KEEP_EVERY) {
    timeline.at(at, async () => {
      leastLeft = Math.min(leastLeft, await leastShareLeft(world));
      await gate.keep();
    });
  }
  for (let at = start; at < end; at += DELIVER_EVERY) timeline.at(at, () => deliver(world, count));
  // An operator looks once a day at what was parked because Graph was away for too long.
  for (let at = start + DAY; at < end; at += DAY) timeline.at(at, () => redrive(world, count));
  timeline.at(start + MONTH, () => {
    weather.isCalm = true;
  });
  await timeline.runUntil(end, () => gate.work());
  return leastLeft;
}

async function deliver({ gate }: World, count: (fault: GraphFaultName) => void): Promise<void> {
  const before = gate.graph.pushes.sent.length;
  await gate.graph.pushes.deliver();
  for (const { status } of gate.graph.pushes.sent.slice(before)) if (status === 503) count('push refused');
}

async function redrive({ gate }: World, count: (fault: GraphFaultName) => void): Promise<void> {
  for (const { event } of await gate.events('parked')) {
    const { kind } = await gate.store.events.redrive(event.tenant, event.id);
    if (kind === 'ok') count('parked and redriven');
  }
}

/** People write at all hours, and old mail is opened, which Graph tells of as well. */
function planWriting({ gate, random, timeline, written, mails: texts }: World, start: number): void {
  const { graph } = gate;
  const roots: string[] = [];
  const mails: string[] = [];
  for (let i = 0; i < 75; i += 1) {
    const at = start + HOUR + random() * (MONTH - 2 * HOUR);
    const text = `message ${i}`;
    written.push(text);
    if (i % 3 === 0) texts.add(text);
    timeline.at(at, () => {
      if (i % 3 === 0) mails.push(graph.mail(MAILBOX, { text, from: `person${i}@example.org` }));
      else if (i % 3 === 1) graph.chat(CHAT, { text });
      else {
        const replyTo = random() < 0.5 ? roots.at(-1) : undefined;
        const id = graph.post(TEAM, CHANNEL, { text, ...(replyTo !== undefined && { replyTo }) });
        if (replyTo === undefined) roots.push(id);
      }
    });
  }
  // Nobody should answer these.
  graph.mail(MAILBOX, { text: 'from before', at: start - DAY });
  for (let i = 0; i < 10; i += 1) {
    const isDraft = i % 2 === 0;
    const headers = { internetMessageHeaders: [{ name: 'Auto-Submitted', value: 'auto-replied' }] };
    const fields = isDraft ? { isDraft } : headers;
    timeline.at(start + random() * MONTH, () => void graph.mail(MAILBOX, { text: `noise ${i}`, fields }));
  }
  for (let i = 0; i < 15; i += 1) {
    timeline.at(start + 5 * DAY + random() * 24 * DAY, () => {
      const id = mails[Math.floor(random() * mails.length)];
      if (id !== undefined) graph.touch(`users/${MAILBOX}/messages/${id}`);
    });
  }
}

/** What happens to subscriptions and to both sides of the wire; every kind several times in each month. */
function planTrouble(world: World, start: number, count: (fault: GraphFaultName) => void): void {
  const { gate, random, timeline, weather } = world;
  const { graph } = gate;
  const sometime = (): number => start + DAY + random() * (MONTH - 2 * DAY);
  const anySubscription = () => {
    const all = graph.subscriptions();
    return all[Math.floor(random() * all.length)];
  };
  const trouble = (
    fault: GraphFaultName,
    act: (one: NonNullable<ReturnType<typeof anySubscription>>) => void,
  ): void => {
    for (let i = 0; i < 8; i += 1) {
      timeline.at(sometime(), () => {
        const one = anySubscription();
        if (one === undefined) return;
        count(fault);
        act(one);
      });
    }
  };
  trouble('removed', (one) => graph.removeSubscription(one));
  trouble('ended silently', (one) => graph.endSubscription(one));
  trouble('reauthorization', (one) => graph.lifecycle(one, 'reauthorizationRequired'));
  trouble('missed', (one) => graph.lifecycle(one, 'missed'));
  trouble('old mail touched', () => graph.touch(`users/${MAILBOX}/messages/${String(oldMailId(world))}`));
  for (let i = 0; i < 6; i += 1) {
    outage(world, sometime(), 3 * HOUR, `while the gate is down ${i}`, (isDown) => {
      weather.isGateDown = isDown;
    });
    outage(world, sometime(), 6 * HOUR, `while Graph is down ${i}`, (isDown) => {
      weather.isGraphDown = isDown;
    });
  }
}

/** Somebody writes just then. */
function outage(world: World, at: number, ms: number, text: string, set: (isDown: boolean) => void): void {
  const { gate, timeline, written } = world;
  written.push(text);
  timeline.at(at, () => {
    set(true);
    gate.graph.chat(CHAT, { text });
  });
  timeline.at(at + ms, () => set(false));
}

const oldMailId = ({ gate }: World): unknown =>
  gate.graph.find((body) => JSON.stringify(body).includes('from before'))?.id;

/** Of the subscriptions Graph still has: how much of its life is left to the one that has the least. */
async function leastShareLeft({ gate, clock }: World): Promise<number> {
  const living = new Map(gate.graph.subscriptions().map((one) => [one.id, one.expiresAt]));
  let least = 1;
  for (const { id, renewedAt, expiresAt } of (await gate.kept.list()).values()) {
    const end = living.get(id ?? '');
    // What Graph ended by itself was not late; what ran out was.
    if (id === null || renewedAt === null || expiresAt === null) continue;
    if (end === undefined && expiresAt > clock.now()) continue;
    least = Math.min(least, (expiresAt - clock.now()) / (expiresAt - renewedAt));
  }
  return least;
}

function repliesByText({ gate }: World): Map<string, number> {
  const replies = new Map<string, number>();
  for (const { text } of gate.graph.replies) {
    const about = text.replace(/^about /, '');
    replies.set(about, (replies.get(about) ?? 0) + 1);
  }
  return replies;
}
