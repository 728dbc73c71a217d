import { randomBytes } from 'node:crypto';
import { Agent, request } from 'undici';
import type { SlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { PATIENCE_MS } from './clock.ts';

/** Numbers from a seed (mulberry32), so that a failing history can be played again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the sender saw of one message. `unknown`: the connection ended without an answer. */
export interface Sent {
  readonly text: string;
  readonly conversation: string;
  readonly answers: ('accepted' | 'duplicate' | 'conflict' | 'refused' | 'unknown')[];
}

/** Sends a message once and notes the answer in `sent`. Resolves with whether it was acknowledged. */
export type Deliver = (payload: unknown, sent: Sent) => Promise<boolean>;

export interface LoadPlan {
  readonly conversations: number;
  readonly perConversation: number;
  /** Messages a second, over all conversations. */
  readonly rate: number;
  /** Share of acknowledged messages that are sent again, as a late retry would be. */
  readonly duplicates: number;
  readonly random: () => number;
  /** Filled while the load runs. */
  readonly history: Sent[];
}

export interface Targets {
  /** Where messages are delivered, without a slash at the end; one of them each time. */
  readonly targets: readonly { readonly url: string }[];
  readonly signingSecret: string;
}

/** Pauses before a message is sent again, as Slack's own are, only shorter (ms). */
const RETRY_MS = 150;
/** Longer than every target needs to start again on a loaded machine, one after the other (ms). */
const GIVE_UP_MS = 300_000;

/** `sendMessages` to targets that are always there or soon again, all of one tenant. */
export async function sendAll(plan: LoadPlan & Targets): Promise<void> {
  const dispatcher = new Agent({ connections: 64, pipelining: 1 });
  await sendMessages(plan, (payload, sent) => deliver(payload, plan, dispatcher, sent));
  await dispatcher.destroy();
}

/**
 * Sends every conversation's messages one after the other, each again and again until it is acknowledged, so that the
 * order in which a conversation was accepted is known.
 */
export async function sendMessages(plan: LoadPlan, deliver: Deliver): Promise<void> {
  const late: Promise<void>[] = [];
  const intervalMs = (plan.conversations / plan.rate) * 1000;
  await Promise.all(
    Array.from({ length: plan.conversations }, async (_, index) => {
      const conversation = `D${String(index).padStart(8, '0')}`;
      let dueAt = performance.now() + plan.random() * intervalMs;
      for (let n = 0; n < plan.perConversation; n += 1) {
        await sleep(dueAt - performance.now());
        dueAt += intervalMs;
        const payload = slackMessage({ at: Date.now(), text: `${conversation} ${n}`, channel: conversation });
        const sent: Sent = { text: `${conversation} ${n}`, conversation, answers: [] };
        plan.history.push(sent);
        await until(() => deliver(payload, sent));
        if (plan.random() < plan.duplicates) late.push(retryLater(payload, plan, deliver, sent));
      }
    }),
  );
  await Promise.all(late);
}

/** Late retries come this much later at most (ms), so they overtake each other and the messages after them. */
const LATEST_MS = 1_500;

async function retryLater(payload: unknown, plan: LoadPlan, deliver: Deliver, sent: Sent): Promise<void> {
  await sleep(plan.random() * LATEST_MS);
  await deliver(payload, sent);
}

async function until(deliverOnce: () => Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + GIVE_UP_MS; Date.now() < giveUpAt; ) {
    if (await deliverOnce()) return;
    await sleep(RETRY_MS);
  }
  throw new Error('a message was never acknowledged');
}

async function deliver(payload: unknown, plan: LoadPlan & Targets, dispatcher: Agent, sent: Sent): Promise<boolean> {
  const target = plan.targets[Math.floor(plan.random() * plan.targets.length)];
  if (target === undefined) throw new Error('no target');
  const signed = signSlackRequest(slackJson(payload), { signingSecret: plan.signingSecret, at: Date.now() });
  try {
    const { statusCode, headers, body } = await request(`${target.url}/hooks/slack/default`, {
      method: 'POST',
      headers: signed.headers,
      body: Buffer.from(signed.body),
      dispatcher,
      // Slack hangs up after 3 s.
      headersTimeout: 3_000,
    });
    await body.dump();
    const outcome = headers['x-sallyport-outcome'] as 'accepted' | 'duplicate' | 'conflict' | undefined;
    sent.answers.push(statusCode === 200 && outcome !== undefined ? outcome : 'refused');
    return statusCode === 200;
  } catch {
    sent.answers.push('unknown');
    return false;
  }
}

/** The sender was told that the message is taken. */
export const isAcknowledged = ({ answers }: Sent): boolean =>
  answers.some((answer) => answer === 'accepted' || answer === 'duplicate');

/** What is wrong with a history, in words; empty when nothing is. Each acknowledged message has one reply, in order. */
export function violations(history: readonly Sent[], slack: Pick<SlackServer, 'posts'>): string[] {
  const found: string[] = [];
  const replies = new Map<string, number>();
  for (const post of slack.posts) replies.set(post.text, (replies.get(post.text) ?? 0) + 1);
  for (const { text, answers } of history) {
    const count = replies.get(`echo: ${text}`) ?? 0;
    if (count !== 1) found.push(`${text}: ${count} replies after ${answers.join(' ')}`);
    if (answers.filter((answer) => answer === 'accepted').length > 1) found.push(`${text}: accepted twice`);
    if (answers.includes('conflict')) found.push(`${text}: conflict`);
  }
  if (slack.posts.length !== history.length) found.push(`${slack.posts.length} replies to ${history.length} messages`);
  for (const [conversation, numbers] of repliesByConversation(slack)) {
    if (numbers.some((number, at) => at > 0 && number <= (numbers[at - 1] ?? 0))) {
      found.push(`${conversation}: replied in the order ${numbers.join(' ')}`);
    }
  }
  return found;
}

function repliesByConversation(slack: Pick<SlackServer, 'posts'>): Map<string, number[]> {
  const order = new Map<string, number[]>();
  for (const { text } of slack.posts) {
    const [, conversation = '', number = ''] = text.split(' ');
    order.set(conversation, [...(order.get(conversation) ?? []), Number(number)]);
  }
  return order;
}

/** Waits until as many replies were posted, or nothing has been posted for `PATIENCE_MS`. */
export async function repliesPosted(slack: SlackServer, count: number): Promise<void> {
  let seen = slack.posts.length;
  let lastChange = Date.now();
  while (slack.posts.length < count && Date.now() - lastChange < PATIENCE_MS) {
    await sleep(50);
    if (slack.posts.length !== seen) {
      seen = slack.posts.length;
      lastChange = Date.now();
    }
  }
}

export const freshKeys = () => ({
  SLACK_SIGNING_SECRET: randomBytes(16).toString('hex'),
  SLACK_BOT_TOKEN: 'xoxb-local-token-for-tests',
  SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
  SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
});

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
