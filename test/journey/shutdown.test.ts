import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { freshKeys, repliesPosted } from '../support/campaign.ts';
import { sleep } from '../support/clock.ts';
import { sallyport } from '../support/command.ts';
import { testFolder } from '../support/folder.ts';
import { exchange, rawRequest } from '../support/raw-http.ts';
import { type RoleProcess, startRole } from '../support/role.ts';
import { type SlackCall, startSlackFront } from '../support/slack-front.ts';
import { until } from '../support/until.ts';

const keys = { ...freshKeys(), SALLYPORT_JWT_SECRET: 'a-secret-of-at-least-thirty-two-bytes' };

interface World {
  readonly gate: RoleProcess;
  readonly slack: SlackServer;
  readonly folder: string;
  log(): Promise<string>;
}

/** One process with everything in it, replying to a local Slack that answers the calls that pass. */
async function startWorld(grace: string, passes: (call: SlackCall) => boolean = () => true): Promise<World> {
  const folder = await testFolder();
  const slack = await startSlackServer();
  const front = await startSlackFront(slack.url, passes);
  const environment = { ...keys, SLACK_API_URL: front.url, SALLYPORT_GRACE: grace };
  const gate = await startRole({ role: 'all', folder, environment });
  onTestFinished(async () => {
    await gate.kill();
    await front.stop();
    await slack.stop();
  });
  return { gate, slack, folder, log: () => readFile(join(folder, `all-${gate.port}.log`), 'utf8') };
}

function signed(text: string, channel = 'D0') {
  const payload = slackMessage({ text, channel, at: Date.now() });
  return signSlackRequest(slackJson(payload), { signingSecret: keys.SLACK_SIGNING_SECRET, at: Date.now() });
}

async function send(gate: RoleProcess, text: string): Promise<string> {
  const { headers, body } = signed(text);
  const response = await fetch(`${gate.url}/hooks/slack/default`, {
    method: 'POST',
    headers,
    body: new Uint8Array(body),
  });
  return response.headers.get('x-sallyport-event') ?? '';
}

/** Sends SIGTERM and waits until the process has taken note. */
async function terminate({ gate, log }: World): Promise<{ readonly exited: Promise<number | null> }> {
  const exited = once(gate.child, 'exit').then(([code]) => code as number | null);
  gate.child.kill('SIGTERM');
  await until('the process is stopping', async () => (await log()).includes('process.stopping'));
  return { exited };
}

const CONNECTIONS = 32;

test('SIGTERM under load: every answer given holds after the restart, and nothing runs twice', async () => {
  const world = await startWorld('10s');
  const { gate, slack } = world;
  const answers = new Map<string, number | string>();
  const dispatcher = new Agent({ connections: CONNECTIONS, pipelining: 1 });
  let isOver = false;
  const client = async (name: number): Promise<void> => {
    for (let n = 0; !isOver; n += 1) {
      const text = `${name} ${n}`;
      const { headers, body } = signed(text, `D${name}`);
      const options = { method: 'POST', headers, body: Buffer.from(body), dispatcher } as const;
      const status = await request(`${gate.url}/hooks/slack/default`, options).then(
        async (answer) => {
          await answer.body.dump();
          return answer.statusCode;
        },
        (error: NodeJS.ErrnoException) => error.code ?? error.name,
      );
      answers.set(text, status);
      if (typeof status === 'string') await sleep(20);
    }
  };
  const clients = Array.from({ length: CONNECTIONS }, (_, name) => client(name));
  // A connection that was not accepted yet would be reset by the kernel when the gate stops listening.
  const isConnected = (name: number): boolean => answers.has(`${name} 2`);
  await until('every connection has carried requests', () => clients.every((_, name) => isConnected(name)));
  await until('500 requests were answered', () => answers.size > 500);
  const code = await gate.stop();
  isOver = true;
  await Promise.all(clients);
  await dispatcher.destroy();
  expect(code).toBe(0);
  const acknowledged = [...answers].filter(([, status]) => status === 200).map(([text]) => text);
  expect(acknowledged.length).toBeGreaterThan(400);
  // No connection breaks: each is told once that the gate is closing, and after that there is nobody to connect to.
  const others = [...answers.values()].filter((status) => status !== 200);
  expect(new Set(others)).toEqual(new Set([503, 'ECONNREFUSED']));
  expect(others.filter((status) => status === 503).length).toBeLessThanOrEqual(CONNECTIONS);
  await gate.restart();
  await repliesPosted(slack, acknowledged.length);
  await sleep(500);
  const replies = slack.posts.map(({ text }) => text.replace('echo: ', ''));
  expect(acknowledged.filter((text) => !replies.includes(text))).toEqual([]);
  expect(new Set(replies).size).toBe(replies.length);
});

test('a request in flight is answered, the next on its connection is not taken, and nobody new gets in', async () => {
  const world = await startWorld('10s');
  const { gate } = world;
  const first = signed('in flight');
  const second = signed('too late');
  const requestOf = ({ headers, body }: ReturnType<typeof signed>) =>
    rawRequest(
      'POST /hooks/slack/default HTTP/1.1',
      { host: 'x', ...headers, 'content-length': String(body.length) },
      body,
    );
  const bytes = requestOf(first);
  let isTerminating = false;
  function* script() {
    yield bytes.subarray(0, -10);
    while (!isTerminating) yield 20;
    yield Buffer.concat([bytes.subarray(-10), requestOf(second)]);
  }
  const exchanging = exchange(gate.port, script(), { untilClosed: true });
  await until('the gate is up again', async () => (await fetch(`${gate.url}/health`)).ok);
  const { exited } = await terminate(world);
  const refused = await new Promise<string>((resolve) => {
    const socket = connect(gate.port, '127.0.0.1', () => resolve('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
  expect(refused).toBe('ECONNREFUSED');
  isTerminating = true;
  const { answers } = await exchanging;
  expect(answers[0]?.status).toBe(200);
  expect(answers[0]?.headers.get('x-sallyport-outcome')).toBe('accepted');
  expect(answers.slice(1).every(({ status }) => status === 503)).toBe(true);
  expect(await exited).toBe(0);
});

test('a signal that comes twice in one moment is one signal', async () => {
  const world = await startWorld('10s');
  const exited = once(world.gate.child, 'exit');
  // Two of one kind would be merged into one while the process has not looked; two kinds always arrive both.
  world.gate.child.kill('SIGTERM');
  world.gate.child.kill('SIGINT');
  expect(await exited).toEqual([0, null]);
});

/** Lets no reply through while it hangs; the calls that came are counted. */
function hanging() {
  const state = { isHanging: true, calls: 0 };
  const passes = ({ method }: SlackCall): boolean => {
    if (!state.isHanging || method !== 'chat.postMessage') return true;
    state.calls += 1;
    return false;
  };
  return { state, passes };
}

test('a second SIGTERM ends the process at once', async () => {
  const { state, passes } = hanging();
  const world = await startWorld('60s', passes);
  const { gate } = world;
  await send(gate, 'hangs');
  await until('Slack is called', () => state.calls === 1);
  const { exited } = await terminate(world);
  await sleep(500);
  expect(gate.child.exitCode).toBeNull();
  gate.child.kill('SIGTERM');
  expect(await exited).toBe(1);
  expect(await world.log()).not.toMatch(/process\.(stopped|grace-exceeded)/);
});

test('a run that hangs is given back within the grace period: not counted, completed by the next process', async () => {
  const { state, passes } = hanging();
  const world = await startWorld('4s', passes);
  const { gate, slack, folder } = world;
  const id = await send(gate, 'hangs');
  await until('Slack is called', () => state.calls === 1);
  expect(await gate.stop()).toBe(0);
  expect(await world.log()).toMatch(/process\.stopped/);
  expect(slack.posts).toEqual([]);
  state.isHanging = false;
  await gate.restart();
  const show = async () => {
    const environment = { ...keys, SALLYPORT_URL: gate.url };
    return JSON.parse((await sallyport(['events', 'show', id, '--json'], { folder, environment })).out);
  };
  await until('the reply is posted', () => slack.posts.length > 0);
  await until('the event is done', async () => (await show()).state === 'done');
  expect(slack.posts.map(({ text }) => text)).toEqual(['echo: hangs']);
  // The second run found no reply, which proves nothing before the intent of the first is settled.
  const runs = [{ outcome: 'released' }, { outcome: 'waiting' }, { outcome: 'replied' }];
  expect(await show()).toMatchObject({ attempts: 1, runs });
});
