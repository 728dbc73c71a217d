import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { createSlackReplier } from '../../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import type { LlmAnswer } from '../../../src/testing/agents/llm-server.ts';
import { type SlackServer, startSlackServer } from '../../../src/testing/slack/server.ts';
import type { Agent } from '../../../src/workers/agent.ts';
import { defineTool, type Tool } from '../../../src/workers/tools/tool.ts';
import { type AssistantOptions, type AssistantWorld, openAssistant } from '../../support/assistant.ts';
import { attachedTo, nothingAttached } from '../../support/signals.ts';
import { vendorFetch } from '../../support/vendor-fetch.ts';

/** Enough to tell "per run" from "per process". */
const RUNS = 20;

let slack: SlackServer;
let world: AssistantWorld;
let shutdown: AbortController;
beforeEach(async () => {
  slack = await startSlackServer();
  shutdown = new AbortController();
});
afterEach(async () => {
  await world.stop();
  await slack.stop();
});

/** A worker whose replies go to a local Slack. */
async function open({ gate, ...options }: AssistantOptions = {}): Promise<void> {
  const replier = createSlackReplier({
    apiUrl: slack.url,
    botToken: 'bot-token',
    fetch: vendorFetch(slack.url),
    sealer: createSealer(nodeCrypto, [new Uint8Array(32).fill(9)]),
    logger: silentLogger,
  });
  world = await openAssistant({ ...options, gate: { replier, shutdown: shutdown.signal, ...gate } });
}

async function runs(count = RUNS): Promise<string[]> {
  const states: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const { state } = await world.write(`message ${n}`, { channel: `D000000${n}` });
    states.push(state);
  }
  return states;
}

const every = (state: string): string[] => Array.from({ length: RUNS }, () => state);

const look = defineTool({
  name: 'look',
  description: 'Looks something up.',
  input: z.strictObject({}),
  effect: 'none',
  run: () => 'found',
}) as Tool;

/** Asks for its tool first, then answers. */
const callsOnce = (_: unknown, n: number): LlmAnswer =>
  n % 2 === 1 ? { calls: [{ name: 'look', arguments: {} }] } : { text: 'done' };

describe('nothing stays attached to the shutdown signal', () => {
  test('after runs with model calls, a tool call and a reply in Slack', async () => {
    await open({ tools: [look], answer: callsOnce });
    expect(await runs()).toEqual(every('done'));
    expect(slack.posts).toHaveLength(RUNS);
    expect(attachedTo(shutdown.signal)).toEqual(nothingAttached);
  });

  test('after runs whose channel reads first', async () => {
    await open({ gate: { reader: { read: async () => ({ kind: 'task', content: { text: 'hello' } }) } } });
    expect(await runs()).toEqual(every('done'));
    expect(attachedTo(shutdown.signal)).toEqual(nothingAttached);
  });

  test('after runs whose model or whose Slack fails', async () => {
    await open({ answer: (_, n) => (n % 2 === 0 ? { status: 503 } : { text: 'hello' }) });
    for (let n = 0; n < RUNS; n += 1) slack.failNext({ kind: 'status', status: 503 });
    expect(await runs()).toEqual(every('waiting'));
    expect(attachedTo(shutdown.signal)).toEqual(nothingAttached);
  });

  test('after runs of an agent that combines its signal with signals of its own', async () => {
    const own = new AbortController();
    const run: Agent['run'] = async (_, { signal }) => {
      AbortSignal.any([signal, own.signal]).addEventListener('abort', () => {});
      AbortSignal.any([signal, AbortSignal.timeout(60_000)]);
      return { kind: 'reply', text: 'hello' };
    };
    await open({ gate: { agentOver: () => ({ name: 'own', run }) } });
    expect(await runs()).toEqual(every('done'));
    expect(attachedTo(shutdown.signal)).toEqual(nothingAttached);
  });
});

test('shutdown still ends a run that is under way, and gives it back', async () => {
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const run: Agent['run'] = () => {
    begin();
    return new Promise(() => {});
  };
  await open({ gate: { agentOver: () => ({ name: 'own', run }) } });
  const writing = world.write('hello');
  await begun;
  shutdown.abort();
  const { state, runs: attempts } = await writing;
  expect([state, attempts.at(-1)?.outcome]).toEqual(['queued', 'released']);
  expect(attachedTo(shutdown.signal)).toEqual(nothingAttached);
});
