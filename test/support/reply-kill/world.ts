import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import type { EventRecord, InboundEvent } from '../../../src/core/event.ts';
import type { JsonObject } from '../../../src/core/json/json-text.ts';
import type { Store } from '../../../src/queue/store.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { startGmailServer } from '../../../src/testing/gmail/server.ts';
import { startGraphServer } from '../../../src/testing/graph/server.ts';
import { startSlackServer } from '../../../src/testing/slack/server.ts';
import { startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import { seeded, sleep } from '../campaign.ts';
import { endWithParent } from '../children.ts';
import { conversationNamed, createEventMaker } from '../events.ts';
import { type Fact, points, SEAL_KEY, type Target, type Vendor, vendors, type WorkerPlan } from './plan.ts';

const TENANT = 'acme';
const MAILBOX = 'agent@example.com';

/** The four vendors, and what they have got. */
export interface World {
  readonly plan: Pick<WorkerPlan, 'urls' | 'graph'>;
  /** A message from somebody, as an event. */
  event(vendor: Vendor, name: string): InboundEvent;
  /** Every text that anybody was sent, in order, of all vendors. */
  posted(): string[];
  stop(): Promise<void>;
}

/** What stands before a vendor, by the address it stands before. */
export type Front = (vendor: Vendor, url: string) => Promise<string>;

export async function startWorld(front: Front = async (_, url) => url): Promise<World> {
  const [slack, graph, teams, gmail] = await Promise.all([
    startSlackServer(),
    startGraphServer(),
    startBotConnectorServer(),
    startGmailServer({ clock: Date.now }),
  ]);
  const { tenantId, clientId, clientSecret } = graph;
  const urls = {
    slack: await front('slack', slack.url),
    graph: await front('graph', graph.url),
    teams: await front('teams', teams.serviceUrl),
    gmail: await front('gmail', gmail.url),
    teamsToken: teams.tokenUrl,
  };
  const make = createEventMaker(Date.now);
  const sealer = createSealer(nodeCrypto, [SEAL_KEY]);
  const destinations: Readonly<Record<Vendor, (name: string) => JsonObject>> = {
    slack: (name) => ({ via: 'message', channel: `C${name}` }),
    graph: (name) => ({ kind: 'mail', mailbox: MAILBOX, message: graph.mail(MAILBOX, { text: name }) }),
    teams: () => ({ via: 'message' }),
    gmail: (name) => {
      const { id: messageId, threadId } = gmail.mailbox(MAILBOX).deliver({ subject: name });
      return { mailbox: MAILBOX, messageId, threadId };
    },
  };
  return {
    plan: {
      urls,
      graph: { tenantId, clientId, clientSecret },
    },
    event(vendor, name) {
      const conversation = conversationNamed(name, TENANT);
      const event = make({ channel: vendor, text: name, conversation, destination: destinations[vendor](name) });
      if (vendor !== 'teams') return event;
      const binding = { tenant: TENANT, eventId: event.id, name: 'conversation_reference' };
      const reference = { serviceUrl: urls.teams, conversationId: `19:${name}@thread.tacv2` };
      return { ...event, sealed: { [binding.name]: sealer.seal(JSON.stringify(reference), binding) } };
    },
    posted: () => [
      ...slack.posts.map(({ text }) => text),
      ...graph.replies.map(({ text }) => text),
      ...teams.posts.map(({ activity }) => String(activity.text)),
      ...gmail.sent.map(({ text }) => text),
    ],
    stop: async () => void (await Promise.all([slack.stop(), graph.stop(), teams.stop(), gmail.stop()])),
  };
}

/** One message for each point and vendor, accepted in an order of the seed's. */
export async function acceptTargets(seed: number, world: World, store: Store): Promise<Target[]> {
  const random = seeded(seed);
  const targets: Target[] = [];
  const pairs = vendors.flatMap((vendor) => points.map((point) => ({ vendor, point, rank: random() })));
  for (const { vendor, point } of pairs.toSorted((a, b) => a.rank - b.rank)) {
    const name = `s${seed}-${vendor}-${point}`;
    const event = world.event(vendor, name);
    targets.push({
      name,
      point,
      vendor,
      eventId: event.id,
      conversation: event.conversation.key,
      part: partOf(vendor, seed),
    });
    const [accepted] = await store.inbox.accept([event]);
    if (accepted?.outcome !== 'accepted') throw new Error('not accepted');
  }
  return targets;
}

/** Mail is one message, stopped while it is sent. Nobody can ask Teams about a call, so it is stopped between two. */
function partOf(vendor: Vendor, seed: number): Target['part'] {
  if (vendor === 'graph' || vendor === 'gmail') return { step: 'reply', at: 'call' };
  const where = (['intent', 'result', 'call'] as const)[seed % (vendor === 'slack' ? 3 : 2)] ?? 'intent';
  return { step: seed % 4 < 2 ? 'reply:2' : 'reply:3', at: where };
}

const running = new Set<ChildProcess>();

/** Whatever a test that failed has left. */
export const killWorkers = (): void => {
  for (const child of running) child.kill('SIGKILL');
};

/** A worker process of a plan. */
export function startWorkerOf(program: string, plan: WorkerPlan) {
  const child = spawn(process.execPath, [program, JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit'] });
  running.add(endWithParent(child));
  const ended = once(child, 'exit').then(([code, signal]) => {
    running.delete(child);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  return {
    terminate: () => void child.kill('SIGTERM'),
    kill: async () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}

export const factsIn = (path: string): Fact[] =>
  (existsSync(path) ? readFileSync(path, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Fact);

/** Waits until it holds, or says what it waited for. */
export async function until(what: () => readonly string[], patienceMs: number): Promise<void> {
  const giveUpAt = Date.now() + patienceMs;
  for (let missing = what(); missing.length > 0; missing = what()) {
    if (Date.now() > giveUpAt) throw new Error(`still waiting for ${missing.join(', ')}`);
    await sleep(25);
  }
}

const final: ReadonlySet<EventRecord['state']> = new Set<EventRecord['state']>(['done', 'parked']);

/** The records of all targets, once nothing more happens to any of them by itself. */
export async function settled(
  store: Store,
  targets: readonly Pick<Target, 'eventId'>[],
  patienceMs: number,
): Promise<EventRecord[]> {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const records = await Promise.all(targets.map(({ eventId }) => store.events.get(TENANT, eventId)));
    const open = records.filter((record) => record === null || !final.has(record.state));
    if (open.length === 0) return records.filter((record) => record !== null);
    if (Date.now() > giveUpAt) {
      throw new Error(
        `unsettled: ${open.map((one) => `${one?.event.text} ${one?.state} ${one?.runs.at(-1)?.code}`).join(', ')}`,
      );
    }
    await sleep(250);
  }
}
