import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { SlackPost } from '../../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson } from '../../../src/testing/slack/signer.ts';
import { type Deliver, isAcknowledged, type Sent, seeded, sendMessages, sleep, violations } from '../campaign.ts';
import { pick } from '../nemesis.ts';
import { until } from '../until.ts';
import { type Balancer, createBalancer } from './balancer.ts';
import { TENANTS, untilReady, type World } from './world.ts';

/** `kill`: SIGKILL of a primary; `freeze`: SIGSTOP of one; `roll`: SIGTERM of each ingress and worker in turn. */
export type Fault = 'kill' | 'freeze' | 'roll';

export interface Plan {
  readonly fault: Fault;
  readonly seed: number;
  /** Messages a second. */
  readonly rate: number;
  /** How long messages are sent (s), refused ones not counted. */
  readonly seconds: number;
}

export interface Result {
  readonly acknowledged: number;
  readonly replied: number;
  /** Replies beyond the first to the same message. */
  readonly duplicates: number;
  /** Acknowledged messages without a reply. */
  readonly lost: number;
  /** Seconds from the fault to the last delivery that was refused; 0 when none was. */
  readonly acceptingS: number;
  /** Seconds from the fault until every tenant had a reply to a message that was sent after it. */
  readonly runningS: number;
  /** Seconds until another primary had taken over; 0 for a rolling restart. */
  readonly failoverS: number;
  /** Messages acknowledged and not yet replied to when the fault came. */
  readonly pending: number;
  /** Longest time from an acknowledgement to its reply (s). */
  readonly slowestS: number;
  /** Deliveries by what came of them. */
  readonly answers: Readonly<Record<string, number>>;
  /** Connections refused by a process that was away, which went to another one. */
  readonly passedOn: number;
  /** What is wrong, in words. */
  readonly violations: readonly string[];
  /** Why the run proves nothing. */
  readonly void: string | null;
}

/** One delivery and its end, in epoch ms. */
interface Delivery {
  readonly sent: Sent;
  readonly tenant: string;
  readonly sentAt: number;
  readonly endedAt: number;
  readonly result: string;
}

/** Conversations; each has one message under way at a time. */
const CONVERSATIONS = 48;
/** Share of messages that their sender repeats. */
const REPEATED = 0.1;
/** Slack takes this long to answer a reply at least, and at most (ms), so that work is pending at any time. */
const POSTING_MS = { from: 50, to: 350 };
/** The fault comes this long after the load began, and up to as much later (ms). */
const FAULT_MS = 3_000;
/** After so long a killed server is started again and a frozen one goes on (ms), as a supervisor or hypervisor has it. */
const RETURN_MS = { kill: 5_000, freeze: 8_000 };
/** A generator that stood still for so long (ms) was not a load. */
const LAG_MS = 1_500;
/** A conversation whose wake was lost is looked at again after a minute; a lease ends after half of one. */
const SILENCE_MS = 100_000;

/** Plays one history on a world: load, one fault, and what came of it. */
export async function play(world: World, { fault, seed, rate, seconds }: Plan): Promise<Result> {
  const random = seeded(seed);
  const { slack } = world;
  const postsBefore = slack.posts.length;
  const posts = () => slack.posts.slice(postsBefore);
  const perConversation = Math.ceil((rate * seconds) / CONVERSATIONS);
  for (let n = 0; n < 2 * CONVERSATIONS * perConversation; n += 1) {
    const ms = POSTING_MS.from + random() * (POSTING_MS.to - POSTING_MS.from);
    slack.failNext({ kind: 'delay', ms, method: 'chat.postMessage' });
  }
  const history: Sent[] = [];
  const deliveries: Delivery[] = [];
  const balancer = createBalancer(world.ingresses);
  const pending = () => history.filter(isAcknowledged).length - posts().length;
  const lag = monitorEventLoopDelay();
  lag.enable();
  const plan = { conversations: CONVERSATIONS, perConversation, rate, duplicates: REPEATED, random, history };
  const load = sendMessages(plan, deliverOver(balancer, world.signingSecret, deliveries));
  load.catch(() => {});
  try {
    await sleep(FAULT_MS + random() * FAULT_MS);
    await until('work is pending', () => pending() > 2);
    const struck = { at: Date.now(), pending: pending(), ...(await strike(world, fault, random)) };
    await load;
    lag.disable();
    await untilQuiet(posts, history);
    return resultOf(posts(), history, deliveries, {
      struck,
      fault,
      passedOn: balancer.passedOn,
      lagMs: lag.max / 1e6,
    });
  } finally {
    await balancer.close();
  }
}

function deliverOver(balancer: Balancer, signingSecret: string, deliveries: Delivery[]): Deliver {
  return async (payload, sent) => {
    const sentAt = Date.now();
    const tenant = TENANTS[Number(sent.conversation.slice(1)) % TENANTS.length] ?? '';
    const { headers, body } = signSlackRequest(slackJson(payload), { signingSecret, at: sentAt });
    const answer = await balancer.post(`/hooks/slack/${tenant}`, { ...headers }, Buffer.from(body)).catch(codeOf);
    const [result, outcome] =
      typeof answer === 'string'
        ? [answer, 'unknown' as const]
        : [resultNamed(answer), outcomeOf(answer.status, String(answer.headers['x-sallyport-outcome'] ?? ''))];
    sent.answers.push(outcome);
    deliveries.push({ sent, tenant, sentAt, endedAt: Date.now(), result });
    return result === '200';
  };
}

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.name;

function outcomeOf(status: number, header: string): Sent['answers'][number] {
  const known = (['accepted', 'duplicate', 'conflict'] as const).find((outcome) => outcome === header);
  return status === 200 && known !== undefined ? known : 'refused';
}

const resultNamed = ({ status, headers }: Awaited<ReturnType<Balancer['post']>>): string =>
  status === 503 && headers['retry-after'] === undefined ? '503 without Retry-After' : String(status);

/** What a sender may see while a fault lasts: a refusal that it shall retry, or its own time limit. */
const TOLERATED: Readonly<Record<Fault, readonly string[]>> = {
  kill: ['200', '503', 'UND_ERR_HEADERS_TIMEOUT'],
  freeze: ['200', '503', 'UND_ERR_HEADERS_TIMEOUT'],
  roll: ['200', '503'],
};

/** Resolves with the seconds until another primary had taken over, when the fault is over. */
async function strike(world: World, fault: Fault, random: () => number): Promise<{ readonly failoverS: number }> {
  if (fault === 'roll') {
    for (const role of [...world.ingresses, ...world.workers]) {
      const code = await role.stop();
      if (code !== 0) throw new Error(`a process ended with ${code} at SIGTERM`);
      await role.restart();
      await untilReady(role);
    }
    return { failoverS: 0 };
  }
  const before = await world.primaries();
  const victim = pick(before, random);
  const struckAt = performance.now();
  if (fault === 'kill') await victim.kill();
  else victim.pause();
  // One that is silent is asked in vain for 2 s, which would pass for the time of the failover.
  const others = new Set(before.filter((one) => one !== victim));
  const hasMoved = async () => (await world.primaries()).some((one) => one !== victim && !others.has(one));
  await until('another primary takes over', hasMoved, { everyMs: 200 });
  const failoverS = (performance.now() - struckAt) / 1_000;
  await sleep(RETURN_MS[fault] - (performance.now() - struckAt));
  if (fault === 'kill') await victim.restart();
  else victim.resume();
  return { failoverS };
}

/** Waits until every acknowledged message has its reply, and for replies too many; or until nothing has come for long. */
async function untilQuiet(posts: () => readonly SlackPost[], history: readonly Sent[]): Promise<void> {
  let seen = -1;
  let changedAt = Date.now();
  while (posts().length < history.length && Date.now() - changedAt < SILENCE_MS) {
    if (posts().length !== seen) changedAt = Date.now();
    seen = posts().length;
    await sleep(100);
  }
  await sleep(2_000);
}

interface Circumstances {
  readonly struck: { readonly at: number; readonly pending: number; readonly failoverS: number };
  readonly fault: Fault;
  readonly passedOn: number;
  readonly lagMs: number;
}

function resultOf(
  posts: readonly SlackPost[],
  history: readonly Sent[],
  deliveries: readonly Delivery[],
  { struck, fault, passedOn, lagMs }: Circumstances,
): Result {
  const postedAt = new Map<string, number>();
  for (const { text, ts } of posts) {
    const message = text.replace(/^echo: /, '');
    if (!postedAt.has(message)) postedAt.set(message, Number(ts) * 1_000);
  }
  const acknowledged = history.filter(isAcknowledged);
  const answers: Record<string, number> = {};
  for (const { result } of deliveries) answers[result] = (answers[result] ?? 0) + 1;
  const refused = deliveries.filter(({ result, endedAt }) => result !== '200' && endedAt > struck.at);
  const isRunAgain = new Map<string, number>();
  let slowestMs = 0;
  for (const { sent, tenant, sentAt, endedAt, result } of deliveries) {
    const repliedAt = postedAt.get(sent.text) ?? Number.POSITIVE_INFINITY;
    if (result !== '200') continue;
    if (sent.answers.filter((answer) => answer === 'accepted' || answer === 'duplicate').length === 1) {
      slowestMs = Math.max(slowestMs, repliedAt - endedAt);
    }
    if (sentAt > struck.at) isRunAgain.set(tenant, Math.min(isRunAgain.get(tenant) ?? repliedAt, repliedAt));
  }
  const wrong = Object.keys(answers).filter((result) => !TOLERATED[fault].includes(result));
  const seconds = (ms: number): number => Math.max(0, Math.round(ms / 100) / 10);
  return {
    acknowledged: acknowledged.length,
    replied: postedAt.size,
    duplicates: posts.length - postedAt.size,
    lost: acknowledged.filter(({ text }) => !postedAt.has(text)).length,
    acceptingS: seconds(Math.max(struck.at, ...refused.map(({ endedAt }) => endedAt)) - struck.at),
    runningS: seconds(Math.max(...isRunAgain.values()) - struck.at),
    failoverS: seconds(struck.failoverS * 1_000),
    pending: struck.pending,
    slowestS: seconds(slowestMs),
    answers,
    passedOn,
    violations: [...violations(history, { posts }), ...wrong.map((result) => `${answers[result]} × ${result}`)],
    void: voidReason(struck.pending, lagMs, isRunAgain.size),
  };
}

function voidReason(pending: number, lagMs: number, tenants: number): string | null {
  if (pending === 0) return 'no work was pending when the fault came';
  if (lagMs > LAG_MS) return `the load generator stood still for ${Math.round(lagMs)} ms`;
  return tenants < TENANTS.length ? 'the load ended before every tenant had sent a message after the fault' : null;
}
