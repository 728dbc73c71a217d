import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { bundle } from './bundle.ts';
import { sleep } from './clock.ts';
import { freePort } from './free-port.ts';
import type { Memory } from './memory-probe-child.ts';
import { startRole } from './role.ts';

/** Ingress and worker in one process on the embedded store, with a local model and a local Slack outside it. */
export interface MemoryWorld {
  /** Delivers so many messages, and resolves when each has been replied to. */
  run(count: number): Promise<void>;
  /** After a forced collection. */
  memory(): Promise<Memory>;
  /** Has the process keep so many bytes more. */
  keep(bytes: number): Promise<Memory>;
  stop(): Promise<void>;
}

/** Two agents, half of the messages each: a model that calls a tool, and code that combines its signal with others. */
const CONFIGURATION = `
import { z } from ${JSON.stringify(import.meta.resolve('zod'))};
const look = { name: 'look', description: 'Looks.', effect: 'none', input: z.strictObject({}), run: () => 'seen' };
async function run({ event }, { signal }) {
  const both = AbortSignal.any([signal, AbortSignal.timeout(1_000)]);
  AbortSignal.any([both, new AbortController().signal]).addEventListener('abort', () => {}, { once: true });
  return { kind: 'reply', text: 'own ' + event.text };
}
export default { agents: [
  { name: 'own', match: ({ text }) => text.startsWith('odd'), run },
  { name: 'support', instructions: 'You help.', tools: [look] },
] };
`;

/** Under way at once: more than a worker runs, so that it is never idle. */
const AT_ONCE = 32;

export async function startMemoryWorld(): Promise<MemoryWorld> {
  const [slack, llm, probe, port, folder] = await Promise.all([
    startSlackServer(),
    startLlmServer({
      answer: ({ messages }) =>
        messages.at(-1)?.role === 'tool' ? { text: 'done' } : { calls: [{ name: 'look', arguments: {} }] },
    }),
    bundle('test/support/memory-probe-child.ts'),
    freePort(),
    mkdtemp(join(tmpdir(), 'sallyport-memory-')),
  ]);
  await writeFile(join(folder, 'sallyport.config.js'), CONFIGURATION);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const signingSecret = randomBytes(16).toString('hex');
  const environment = {
    SLACK_SIGNING_SECRET: signingSecret,
    SLACK_BOT_TOKEN: 'xoxb-local-token',
    SALLYPORT_SEAL_KEY: randomBytes(32).toString('base64'),
    SALLYPORT_ID_KEY: randomBytes(32).toString('base64'),
    NODE_OPTIONS: `--import=${pathToFileURL(probe).href}`,
    MEMORY_PROBE_PORT: String(port),
    SALLYPORT_DATA_DIR: folder,
    SALLYPORT_BUDGET_USD_DAY: 'unlimited',
    SALLYPORT_BUDGET_USER_RUNS_HOUR: 'unlimited',
    SLACK_API_URL: slack.url,
    LLM_BASE_URL: llm.url,
    LLM_MODEL: 'local',
    LLM_PRICE_INPUT: '1',
    LLM_PRICE_OUTPUT: '2',
    LOG_LEVEL: 'error',
  };
  const role = await startRole({ role: 'all', environment, folder });
  const ask = async (query = ''): Promise<Memory> =>
    (await fetch(`http://127.0.0.1:${port}/${query}`)).json() as Promise<Memory>;
  // Ends the time in which signals count as made at the start.
  await ask();

  let sent = 0;
  async function deliver(): Promise<void> {
    sent += 1;
    const at = Date.now();
    const text = `${sent % 2 === 1 ? 'odd' : 'even'} ${sent}`;
    const payload = slackMessage({
      text,
      at,
      channel: `D${String(sent % 200).padStart(7, '0')}`,
      ts: `${Math.floor(at / 1000)}.${String(sent % 1_000_000).padStart(6, '0')}`,
    });
    const signed = signSlackRequest(slackJson(payload), { signingSecret, at });
    const request = { ...signed, body: new Uint8Array(signed.body) };
    const answer = await fetch(`${role.url}/hooks/slack/default`, request);
    if (answer.headers.get('x-sallyport-outcome') !== 'accepted') throw new Error(`answered ${answer.status}`);
  }
  return {
    async run(count) {
      const until = slack.posts.length + count;
      for (let n = 0; n < count; n += 1) {
        while (sent - slack.posts.length >= AT_ONCE) await sleep(5);
        await deliver();
      }
      while (slack.posts.length < until) await sleep(20);
    },
    memory: () => ask(),
    keep: (bytes) => ask(`?keep=${bytes}`),
    async stop() {
      await role.kill();
      await Promise.all([slack.stop(), llm.stop(), rm(folder, { recursive: true, force: true })]);
    },
  };
}
