/**
 * Writes the stores of `test/fixtures/stores` with the release that is checked out:
 * `npx tsx test/support/write-old-stores.ts <name of the release>`. Each is left as a kill of all processes leaves it, with events
 * in every state that a later release has to finish.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHttpAgentServer } from '../../src/testing/agents/http-agent-server.ts';
import { startGmailServer } from '../../src/testing/gmail/server.ts';
import { startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { callGate, type StoredMessage, type StoreFacts, storeSettings, storesFolder } from './old-stores.ts';
import { startRedis } from './redis.ts';
import { type RoleProcess, startRole } from './role.ts';
import { startSlackFront } from './slack-front.ts';
import { until } from './until.ts';

const release = process.argv[2] ?? '';
if (!/^\d+\.\d+\.\d+$/.test(release)) throw new Error('which release writes the stores? e.g. 0.1.0');

/** Marks in Redis expire by its own clock, which no test can move. */
const NEVER = '36500d';

async function write(kind: 'embedded' | 'redis'): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-stores-'));
  const redis = kind === 'redis' ? await startRedis({ args: ['--aof-use-rdb-preamble', 'no'] }) : null;
  const slack = await startSlackServer();
  const gmail = await startGmailServer({ clock: Date.now });
  const begun: string[] = [];
  const front = await startSlackFront(slack.url, ({ method, text }) => {
    if (method !== 'chat.postMessage' || !text.includes('half')) return true;
    begun.push(text);
    return text.includes('taken') ? 'taken' : false;
  });
  const agent = await startHttpAgentServer({
    secret: storeSettings.SALLYPORT_AGENT_SECRET,
    react: ({ event: { text } }) => {
      if (text === 'refused') return { status: 400 };
      if (text === 'later') return { status: 503, headers: { 'retry-after': '55' } };
      if (text === 'call back') return { status: 202 };
      return { reply: { text: `answer: ${text}` } };
    },
  });
  const environment = {
    ...storeSettings,
    SALLYPORT_DATA_DIR: join(folder, 'data'),
    ...(redis !== null && { SALLYPORT_REDIS_URL: redis.url }),
    SALLYPORT_WINDOW_SLACK: NEVER,
    SALLYPORT_RETENTION: NEVER,
    SALLYPORT_REVIEW_EXPIRES: '60d',
    SALLYPORT_REPLY_TIMEOUT: '30s',
    SALLYPORT_LEASE: '60s',
    SALLYPORT_AGENT_URL: agent.url,
    SALLYPORT_AGENT_CALLBACK_TIMEOUT: '12h',
    SLACK_API_URL: front.url,
    GMAIL_BASE_URL: gmail.url,
    LOG_LEVEL: 'warn',
  };
  const ingress = await startRole({ role: 'ingress', environment, folder });
  let worker: RoleProcess = await startRole({
    role: 'worker',
    environment: { ...environment, SALLYPORT_REVIEW_REPLIES: 'always' },
    folder,
  });
  const messages: { id: string; text: string; payload: unknown }[] = [];
  const say = async (text: string, channel: string): Promise<string> => {
    const at = Date.now();
    const payload = slackMessage({ text, channel, at });
    const signing = { signingSecret: storeSettings.SLACK_SIGNING_SECRET, at };
    const { headers, body } = signSlackRequest(slackJson(payload), signing);
    const init = { method: 'POST', headers, body: new Uint8Array(body) };
    const { status, headers: answered } = await fetch(`${ingress.url}/hooks/slack/default`, init);
    const id = answered.get('x-sallyport-event') ?? '';
    if (status !== 200 || id === '') throw new Error(`${text}: ${status}`);
    messages.push({ id, text, payload });
    return id;
  };
  const stateOf = async (id: string): Promise<string> =>
    ((await callGate(ingress.url, `/events/${id}`)).json as { state: string }).state;
  const reaches = (id: string, state: string) => until(`${id} is ${state}`, async () => (await stateOf(id)) === state);

  await reaches(await say('held', 'D0HELD'), 'review');
  const budget = await callGate(ingress.url, '/budgets/tenant', { usdMicros: { month: 7_000_000 } }, 'PUT');
  if (budget.status !== 200) throw new Error(`a budget was refused: ${budget.status}`);
  await until('the keeper has looked', async () => {
    const { json } = await callGate(ingress.url, '/subscriptions');
    return (json as { subscriptions: unknown[] }).subscriptions.length > 0;
  });
  await worker.kill();
  worker = await startRole({ role: 'worker', environment, folder });

  await reaches(await say('answered', 'D0ANSWERED'), 'done');
  await reaches(await say('refused', 'D0REFUSED'), 'parked');
  await reaches(await say('call back', 'D0CALLBACK'), 'waiting');
  await say('after the callback', 'D0CALLBACK');
  await reaches(await say('later', 'D0LATER'), 'waiting');
  await say('after the wait', 'D0LATER');
  await say('half taken', 'D0TAKEN');
  await say('half lost', 'D0LOST');
  await until('both replies are half posted', () => begun.length === 2 && slack.posts.length === 2);
  await worker.kill();
  await say('queued', 'D0QUEUED');

  const stored: StoredMessage[] = [];
  for (const message of messages) stored.push({ ...message, state: await stateOf(message.id) });
  await ingress.kill();
  const writtenAt = Date.now();
  await redis?.kill();
  const post = slack.posts.find(({ text }) => text.includes('half taken'));
  const run = agent.requests.find(({ event }) => event.text === 'call back')?.run;
  if (post === undefined || run === undefined) throw new Error('a reply or a request is missing');
  const { channel, text, threadTs } = post;
  const taken = { channel, text, ...(threadTs !== undefined && { threadTs }), metadata: post.arguments.metadata };
  const facts: StoreFacts = { release, writtenAt, messages: stored, run, taken };

  const name = `${kind}-${release}`;
  await mkdir(storesFolder, { recursive: true });
  await writeFile(join(storesFolder, `${name}.json`), `${JSON.stringify(facts, null, 2)}\n`);
  const from = redis === null ? environment.SALLYPORT_DATA_DIR : redis.folder;
  const what = redis === null ? '.' : 'appendonlydir';
  const packed = spawnSync('tar', ['-czf', join(storesFolder, `${name}.tar.gz`), '-C', from, what], {
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new Error(packed.stderr);
  await Promise.all([slack.stop(), front.stop(), agent.stop(), gmail.stop(), redis?.stop()]);
  await rm(folder, { recursive: true });
}

await write('embedded');
await write('redis');
process.exit(0);
