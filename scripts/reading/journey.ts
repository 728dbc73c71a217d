import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { startLlmServer } from '../../src/testing/agents/llm-server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { ensureBuilt } from '../../test/support/built.ts';
import { endWithParent } from '../../test/support/children.ts';
import { freePort } from '../../test/support/free-port.ts';
import { startRedis } from '../../test/support/redis.ts';
import { until, within } from '../../test/support/until.ts';
import { bundle } from '../bundle.js';

/** Where functions that were called start in a script of the bundle, in UTF-16 units: what `coverage.js` answers. */
interface Called {
  readonly url: string;
  readonly offsets: readonly number[];
}

const POST = 'chat.postMessage';
const SECRET = randomBytes(16).toString('hex');
const key = (): string => randomBytes(32).toString('base64');

/**
 * A gate checks its readiness every 2 s, and other things as often or less. Messages that are sent at different times of
 * that period do not all meet it, as long as each takes less than the rest of it.
 */
const PERIOD_MS = 2_000;
const MESSAGES = 5;

/**
 * Files of `src` in which a function was called from the moment a Slack message was sent until Slack had the reply, sorted.
 * A fresh gate (the role `all`, on Redis, from a bundle of the checkout) answers its first message with the agent
 * `assistant`, whose model says one word and calls no tool. Files that not every one of several gates passed are left out.
 * @throws Error when a gate or a server it needs does not start, or no reply comes
 */
export async function filesOfJourney(root: string): Promise<string[]> {
  await ensureBuilt();
  // With the comments that name the source file of each part.
  await build({ ...bundle, minifySyntax: false, minifyWhitespace: false });
  const journeys: string[][] = [];
  try {
    for (let n = 0; n < MESSAGES; n += 1) journeys.push(await oneJourney(root, (n * PERIOD_MS) / MESSAGES));
  } finally {
    await build(bundle);
  }
  const [first = [], ...others] = journeys;
  return first.filter((file) => others.every((files) => files.includes(file)));
}

async function oneJourney(root: string, afterMs: number): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-reading-'));
  const [redis, slack, model] = await Promise.all([
    startRedis(),
    startSlackServer(),
    startLlmServer({ answer: () => ({ text: 'Noted.' }) }),
  ]);
  const port = await freePort();
  const preload = pathToFileURL(join(root, 'scripts', 'reading', 'coverage.js')).href;
  const gate = spawn(process.execPath, ['--import', preload, join(root, 'bin', 'sallyport.js'), 'all'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOST: '127.0.0.1',
      PORT: String(port),
      LOG_LEVEL: 'warn',
      SALLYPORT_REDIS_URL: redis.url,
      SALLYPORT_SEAL_KEY: key(),
      SALLYPORT_ID_KEY: key(),
      SLACK_SIGNING_SECRET: SECRET,
      SLACK_BOT_TOKEN: 'xoxb-local-token',
      SLACK_API_URL: slack.url,
      LLM_BASE_URL: model.url,
      LLM_MODEL: 'local',
      LLM_PRICE_INPUT: '0',
      LLM_PRICE_OUTPUT: '0',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  endWithParent(gate);
  const url = `http://127.0.0.1:${port}`;
  try {
    await until('the gate is ready', () =>
      fetch(`${url}/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    await delay(afterMs);
    const signed = signSlackRequest(slackJson(slackMessage({ at: Date.now(), text: 'hello', channel: 'D0READER' })), {
      signingSecret: SECRET,
      at: Date.now(),
    });
    // Slack has the reply and does not answer yet: the gate does nothing about it while the functions are counted.
    slack.failNext({ kind: 'delay', ms: 10_000, method: POST });
    await calledIn(gate);
    const { status } = await fetch(`${url}/hooks/slack/default`, { ...signed, body: new Uint8Array(signed.body) });
    if (status !== 200) throw new Error(`the gate answered ${status}`);
    await until('the reply is posted', () => slack.calls.includes(POST), { everyMs: 2 });
    return await sourcesOf(await calledIn(gate));
  } finally {
    gate.kill('SIGKILL');
    await Promise.all([redis.stop(), slack.stop(), model.stop()]);
    await rm(folder, { recursive: true, force: true });
  }
}

/** The functions called since it was last asked. */
async function calledIn(gate: ChildProcess): Promise<readonly Called[]> {
  const answer = once(gate, 'message') as Promise<[readonly Called[]]>;
  gate.send('take');
  return (await within('the gate to count its calls', PERIOD_MS * 10, answer))[0];
}

/** The bundler writes the name of its source file above each part of a script. Its own helpers come first, and have none. */
const PART = /^\/\/ (src\/\S+)$/gm;

async function sourcesOf(called: readonly Called[]): Promise<string[]> {
  const files = new Set<string>();
  for (const { url, offsets } of called) {
    const parts = [...(await readFile(fileURLToPath(url), 'utf8')).matchAll(PART)];
    for (const offset of offsets) {
      const part = parts.findLast(({ index }) => index <= offset);
      if (part?.[1] !== undefined) files.add(part[1]);
    }
  }
  return [...files].sort();
}
