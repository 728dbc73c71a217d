import { afterEach, expect, it } from 'vitest';
import type { EventRecord } from '../../src/core/event.ts';
import type { SigningKey } from '../../src/testing/keys/signing-key.ts';
import {
  type BotConnectorFault,
  type BotConnectorServer,
  createBotConnectorKey,
  startBotConnectorServer,
} from '../../src/testing/teams/bot-connector-server.ts';
import { deliverActivity } from '../../src/testing/teams/resend.ts';
import {
  type SignedTeamsRequest,
  signTeamsActivity,
  signTeamsOutgoing,
  type TeamsActivity,
} from '../../src/testing/teams/signer.ts';
import { seeded } from '../support/campaign.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { CAMPAIGN_MS, seeds } from '../support/seeds.ts';
import { type Answered, APP_ID, openTeamsGate, SECURITY_TOKEN, said, type TeamsGate } from '../support/teams.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
const DAYS = 28;
const MESSAGES = 96;

/** How an activity travels. Teams tries twice, so at most one attempt is lost. */
const paths = ['plain', 'answer-lost', 'request-lost', 'late-copy', 'at-once-twice', 'overtaken'] as const;
/** What becomes of the reply. */
const replies = ['taken', 'throttled', 'refused-503', 'refused-500', 'no-token', 'revoked', 'lost', 'gateway'] as const;
const kinds = ['personal', 'channel', 'personal', 'channel', 'invoke', 'expects-replies', 'outgoing'] as const;

interface Message {
  readonly text: string;
  readonly kind: (typeof kinds)[number];
  readonly path: (typeof paths)[number];
  readonly reply: (typeof replies)[number];
  readonly activity: (at: number) => TeamsActivity;
}

interface World {
  readonly gate: TeamsGate;
  readonly connector: BotConnectorServer;
  readonly clock: FakeClock;
  readonly random: () => number;
  key: SigningKey;
  /** Texts in the order their conversation accepted them. */
  readonly accepted: Map<string, string[]>;
  /** Bodies of the answers that reached Teams, by text. */
  readonly answered: Map<string, string>;
  readonly late: (() => Promise<void>)[];
}

let stop: () => Promise<void> = async () => {};
afterEach(() => stop());

it.each(seeds())(
  'a month of Teams ends with one run for every message (seed %i)',
  async (seed) => {
    const world = await openWorld(seed);
    const messages = planMonth(world);
    for (const [index, message] of messages.entries()) {
      await letDaysPass(world, index);
      // What the step before left behind comes after this message, and well within the 24 h that identities are kept.
      const late = world.late.splice(0);
      if (message.path === 'overtaken') world.late.push(() => deliver(message, world));
      else await deliver(message, world);
      await makeNoise(world, index, message);
      await deliverLate(late, world);
    }
    while (world.late.length > 0) await deliverLate(world.late.splice(0), world);
    await settle(world);
    await expectOneRunEach(world, messages);
    await expectFaultsFired(world, messages);
  },
  CAMPAIGN_MS,
);

async function openWorld(seed: number): Promise<World> {
  const clock = createFakeClock();
  const key = createBotConnectorKey('key-0');
  // Long enough that most replies find a token to use, and one to be revoked.
  const connector = await startBotConnectorServer({ keys: [key], tokenSeconds: 2 * 86_400 });
  const gate = await openTeamsGate({ connector, clock: clock.now });
  gate.work();
  stop = async () => {
    await gate.stop();
    await connector.stop();
  };
  const random = seeded(seed);
  return { gate, connector, clock, random, key, accepted: new Map(), answered: new Map(), late: [] };
}

/** Every path and every fate of a reply occurs, in an order and in company that the seed decides. */
function planMonth({ random, connector }: World): Message[] {
  const shuffled = <T>(all: readonly T[]): T[] => {
    const many = Array.from({ length: MESSAGES }, (_, index) => all[index % all.length] as T);
    return many
      .map((one) => [random(), one] as const)
      .sort(([a], [b]) => a - b)
      .map(([, one]) => one);
  };
  const [kind, path, reply] = [shuffled(kinds), shuffled(paths), shuffled(replies)];
  return Array.from({ length: MESSAGES }, (_, index) => {
    const text = `message ${index}`;
    const shape = { kind: kind[index] ?? 'personal', path: path[index] ?? 'plain', reply: reply[index] ?? 'taken' };
    const id = String(1_600_000_000_000 + index);
    const place = Math.floor(random() * 4);
    const activity = (at: number): TeamsActivity => activityOf({ ...shape, text }, id, place, at, connector.serviceUrl);
    return { text, ...shape, activity };
  });
}

function activityOf(
  { kind, text }: Pick<Message, 'kind' | 'text'>,
  id: string,
  place: number,
  at: number,
  serviceUrl: string,
): TeamsActivity {
  const isAddressed = kind === 'channel' || kind === 'outgoing';
  const conversation = isAddressed ? `19:${place}@thread.tacv2` : `a:${place}`;
  const conversationType = isAddressed ? 'channel' : 'personal';
  const message = said({ text, at, id, conversation, conversationType, serviceUrl });
  if (kind === 'expects-replies') return { ...message, deliveryMode: 'expectReplies' };
  if (kind === 'invoke')
    return { ...message, type: 'invoke', name: 'task/submit', text: undefined, value: { data: { text } } };
  return message;
}

/** Replies whose call failed in a way that does not prove that nothing was posted. */
const unknownOutcomes: ReadonlySet<Message['reply']> = new Set(['lost', 'gateway', 'refused-500', 'refused-503']);

/** Whether the connector has a message of it. */
const isAtConnector = (message: Message): boolean =>
  isPosted(message) && message.reply !== 'refused-500' && message.reply !== 'refused-503';

const isPosted = ({ kind }: Message): boolean => kind === 'personal' || kind === 'channel';

/** About seven hours, a key change every week, and a day on which the issuer's keys cannot be fetched. */
async function letDaysPass(world: World, index: number): Promise<void> {
  const { clock, connector, random } = world;
  await settle(world);
  clock.advance(Math.floor((2 * random() * DAYS * DAY_MS) / MESSAGES));
  const step = index % 24;
  if (step === 0) {
    const old = world.key;
    world.key = createBotConnectorKey(`key-${index + 1}`);
    connector.keys.publish([old, world.key]);
  }
  // By then the new key has been seen; what is known is good for three days.
  if (step === 8) connector.keys.behave('error');
  if (step === 11) connector.keys.behave('ok');
}

const faults: Readonly<Record<Message['reply'], BotConnectorFault | undefined>> = {
  taken: undefined,
  throttled: { at: 'conversations', kind: 'status', status: 429, retryAfter: 3 },
  'refused-503': { at: 'conversations', kind: 'status', status: 503 },
  'refused-500': { at: 'conversations', kind: 'status', status: 500 },
  'no-token': { at: 'token', kind: 'status', status: 503 },
  revoked: undefined,
  lost: { at: 'conversations', kind: 'drop', after: 'effect' },
  gateway: { at: 'conversations', kind: 'late-status', status: 504 },
};

async function deliver(message: Message, world: World): Promise<void> {
  const { connector, clock, random } = world;
  const fault = faults[message.reply];
  if (isPosted(message) && fault !== undefined) connector.failNext(fault);
  const needsToken = message.reply === 'revoked' || message.reply === 'no-token';
  if (isPosted(message) && needsToken) connector.revokeTokens();
  const activity = message.activity(clock.now());
  let attempts = 0;
  const send = async (request: SignedTeamsRequest) => {
    attempts += 1;
    if (message.path === 'request-lost' && attempts === 1) return undefined;
    const answer = await post(message, request, world);
    if (message.path === 'answer-lost' && attempts === 1) return undefined;
    world.answered.set(message.text, answer.body);
    return answer;
  };
  const pass = async (ms: number) => {
    await settle(world);
    clock.advance(ms);
  };
  if (message.kind === 'outgoing') {
    // Teams does not repeat these: the user does, or a proxy.
    for (let copies = 0; copies < 2; copies += 1) await send(signedOutgoing(activity, clock.now()));
  } else {
    const signing = { key: world.key, appId: APP_ID };
    const copies = message.path === 'at-once-twice' ? 2 : 1;
    const deliverOnce = () => deliverActivity({ activity, signing, send, clock: clock.now, pass });
    await Promise.all(Array.from({ length: copies }, deliverOnce));
  }
  if (message.path === 'late-copy' && message.kind !== 'outgoing') {
    const waits = random() * 3_600_000;
    world.late.push(async () => {
      clock.advance(waits);
      await post(message, signTeamsActivity(activity, { key: world.key, appId: APP_ID, at: clock.now() }), world);
    });
  }
}

const signedOutgoing = (activity: TeamsActivity, at: number) =>
  signTeamsOutgoing(activity, { securityToken: SECURITY_TOKEN, at });

async function post(message: Message, request: SignedTeamsRequest, { gate, accepted }: World): Promise<Answered> {
  const path = message.kind === 'outgoing' ? '/hooks/teams/acme/outgoing' : '/hooks/teams/acme';
  const answer = await gate.post(request, path);
  if (answer.outcome === 'accepted') {
    const { id } = message.activity(0).conversation as { id: string };
    const line = `${message.kind === 'outgoing' ? 'outgoing' : 'bot'} ${id}`;
    accepted.set(line, [...(accepted.get(line) ?? []), message.text]);
  }
  return answer;
}

async function deliverLate(late: World['late'], world: World): Promise<void> {
  for (const one of late) {
    await settle(world);
    await one();
  }
}

/** What else arrives on such an endpoint; none of it may make a run. */
async function makeNoise({ gate, clock, key }: World, index: number, message: Message): Promise<void> {
  const at = clock.now();
  const base = said({ text: 'noise', at, id: `noise-${index}` });
  const bot = { id: `28:${APP_ID}`, role: 'bot' };
  const noise: readonly TeamsActivity[] = [
    { ...base, from: bot },
    { ...base, type: 'messageUpdate' },
    { ...base, type: 'messageReaction' },
    { ...base, type: 'conversationUpdate', id: undefined },
    { ...base, type: 'typing' },
  ];
  const one = noise[index % noise.length] ?? base;
  expect((await gate.post(signTeamsActivity(one, { key, appId: APP_ID, at }))).outcome).toBe('ignored');
  const forged = signTeamsActivity(base, { key, appId: APP_ID, at, tamper: index % 2 === 0 ? 'altered' : 'stale' });
  expect((await gate.post(forged)).status).toBe(403);
  if (index % 12 !== 0 || !isPosted(message) || message.path === 'overtaken') return;
  const conflicting = { ...message.activity(at), text: 'pay Mallory' };
  expect((await gate.post(signTeamsActivity(conflicting, { key, appId: APP_ID, at }))).outcome).toBe('conflict');
}

/** Waits until nothing is queued or running; lets back-off pass in seconds. */
async function settle({ gate, clock }: World): Promise<void> {
  const isSettled = async (): Promise<boolean> => {
    const { states } = await gate.store.jobs.stats();
    const busy = (states.queued ?? 0) + (states.running ?? 0);
    const isWaiting = (states.waiting ?? 0) > 0;
    if (busy === 0 && isWaiting) clock.advance(1_000);
    return busy === 0 && !isWaiting;
  };
  await until('nothing is queued, running or waiting', isSettled, { everyMs: 5 });
}

async function recordsOf({ gate }: World): Promise<EventRecord[]> {
  const records: EventRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await gate.store.events.list('acme', { limit: 200, ...(cursor !== undefined && { cursor }) });
    records.push(...page.events);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return records;
}

async function expectOneRunEach(world: World, messages: readonly Message[]): Promise<void> {
  const { connector, accepted, answered } = world;
  const records = (await recordsOf(world)).filter(({ state }) => state !== 'conflict');
  expect(records.map(({ event }) => event.text).sort()).toEqual(messages.map(({ text }) => text).sort());
  for (const message of messages) {
    const record = records.find(({ event }) => event.text === message.text);
    const isOpen = isPosted(message) && unknownOutcomes.has(message.reply);
    expect([message, record?.state]).toEqual([message, isOpen ? 'parked' : 'done']);
    if (isOpen) expect(record?.failure).toEqual({ code: 'ERR_AMBIGUOUS_EFFECT' });
    else expect(record?.runs.filter(({ outcome }) => outcome === 'replied')).toHaveLength(1);
    const posts = connector.posts.filter(({ activity }) => activity.text === `echo: ${message.text}`);
    expect([message, posts.length]).toEqual([message, isAtConnector(message) ? 1 : 0]);
    if (!isPosted(message)) expect(answered.get(message.text)).toContain(`echo: ${message.text}`);
  }
  for (const [line, texts] of accepted) {
    const replied = connector.posts.filter(({ conversation }) => line === `bot ${conversation}`);
    const posted = new Set(messages.filter(isAtConnector).map(({ text }) => text));
    expect(replied.map(({ activity }) => activity.text)).toEqual(
      line.startsWith('bot ') ? texts.filter((text) => posted.has(text)).map((text) => `echo: ${text}`) : [],
    );
  }
}

async function expectFaultsFired(world: World, messages: readonly Message[]): Promise<void> {
  const { gate, connector } = world;
  for (const path of paths) expect(messages.some((one) => one.path === path)).toBe(true);
  const records = await recordsOf(world);
  const codes = new Set(records.flatMap(({ runs }) => runs.map(({ code }) => code)));
  expect([...codes]).toEqual(
    expect.arrayContaining(['ERR_REPLY_UNAVAILABLE', 'ERR_REPLY_UNCONFIRMED', 'ERR_AMBIGUOUS_EFFECT']),
  );
  expect(records.filter(({ deliveries }) => deliveries > 1).length).toBeGreaterThan(MESSAGES / 4);
  expect(gate.counts.get('duplicate')).toBeGreaterThan(MESSAGES / 4);
  expect(gate.counts.get('conflict')).toBeGreaterThan(0);
  expect(gate.counts.get('rejected token_sender')).toBeGreaterThan(0);
  expect(gate.counts.get('rejected token_expired')).toBeGreaterThan(0);
  // Each fault of a reply is used up, and left its line.
  const whys = gate.lines.flatMap((line) => /^reply\.failed .*"why":"([^"]+)"/.exec(line)?.[1] ?? []);
  expect([...new Set(whys)].sort()).toEqual(
    ['connection-lost', 'http_401', 'http_429', 'http_500', 'http_503', 'http_504', 'token_http_503'].sort(),
  );
  // Four new keys, the daily refresh, and what was asked for in vain.
  expect(connector.keys.requests()).toBeGreaterThan(DAYS);
}
