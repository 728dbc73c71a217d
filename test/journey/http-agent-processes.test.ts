import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type HttpAgentReaction,
  type HttpAgentRequest,
  type HttpAgentServer,
  signCallback,
  startHttpAgentServer,
} from '../../src/testing/agents/http-agent-server.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import { signSlackRequest, slackJson, slackMessage } from '../../src/testing/slack/signer.ts';
import { PATIENCE_MS } from '../support/clock.ts';
import { testFolder } from '../support/folder.ts';
import { SIGNING_SECRET } from '../support/gate.ts';
import { AGENT_SECRET } from '../support/http-agent.ts';
import { describeRedis, startRedis } from '../support/redis.ts';
import { type RoleProcess, startRole } from '../support/role.ts';

const eventually = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: PATIENCE_MS, interval: 50 });
const key = (): string => randomBytes(32).toString('base64');

let slack: SlackServer;
let agent: HttpAgentServer;
let react: (request: HttpAgentRequest) => HttpAgentReaction | Promise<HttpAgentReaction>;

beforeEach(async () => {
  slack = await startSlackServer();
  agent = await startHttpAgentServer({ secret: AGENT_SECRET, react: (request) => react(request) });
});
afterEach(() => Promise.all([slack.stop(), agent.stop()]));

interface Roles {
  readonly ingress: RoleProcess;
  readonly worker: RoleProcess;
}

/** An ingress and a worker in processes of their own, on one store. */
async function withRoles(store: Record<string, string>, use: (roles: Roles) => Promise<void>): Promise<void> {
  const folder = await testFolder();
  const environment = {
    SALLYPORT_DATA_DIR: folder,
    ...store,
    SALLYPORT_SEAL_KEY: key(),
    SALLYPORT_ID_KEY: key(),
    SALLYPORT_LEASE: '1s',
    SALLYPORT_AGENT: 'http',
    SALLYPORT_AGENT_URL: agent.url,
    SALLYPORT_AGENT_SECRET: AGENT_SECRET,
    SLACK_SIGNING_SECRET: SIGNING_SECRET,
    SLACK_BOT_TOKEN: 'xoxb-for-the-local-server',
    SLACK_API_URL: slack.url,
  };
  const ingress = await startRole({ role: 'ingress', environment, folder });
  const worker = await startRole({ role: 'worker', environment, folder });
  try {
    await use({ ingress, worker });
  } finally {
    await Promise.all([ingress.kill(), worker.kill()]);
  }
}

async function say({ ingress }: Roles, text: string): Promise<void> {
  const at = Date.now();
  const { method, headers, body } = signSlackRequest(slackJson(slackMessage({ text, at })), {
    signingSecret: SIGNING_SECRET,
    at,
  });
  const answer = await fetch(`${ingress.url}/hooks/slack/default`, { method, headers, body: new Uint8Array(body) });
  expect(answer.headers.get('x-sallyport-outcome')).toBe('accepted');
}

async function callBack({ ingress }: Roles, text: string): Promise<number> {
  const run = agent.requests.at(-1)?.run ?? '';
  const callback = signCallback({ secret: AGENT_SECRET, run, answer: { reply: { text } } });
  return (await fetch(`${ingress.url}/callbacks/${run}`, callback)).status;
}

function journeys(store: () => Record<string, string>): void {
  test('a callback to the ingress reaches the run in the worker', () =>
    withRoles(store(), async (roles) => {
      react = () => ({ status: 202 });
      await say(roles, 'hello');
      await eventually(() => expect(agent.requests).toHaveLength(1));
      expect(await callBack(roles, 'here it is')).toBe(200);
      await eventually(() => expect(slack.posts).toMatchObject([{ text: 'here it is' }]));
      expect(agent.requests).toHaveLength(1);
    }));

  test('runs that wait keep no worker busy', () =>
    withRoles({ ...store(), SALLYPORT_CONCURRENCY: '1' }, async (roles) => {
      react = ({ event }) => (event.text === 'quick' ? { reply: { text: 'quick' } } : { status: 202 });
      for (const text of ['one', 'two', 'three', 'quick']) await say(roles, text);
      await eventually(() => expect(slack.posts).toMatchObject([{ text: 'quick' }]));
      expect(agent.requests).toHaveLength(4);
    }));

  test('a callback waits for a worker when all of them were killed', () =>
    withRoles(store(), async (roles) => {
      react = () => ({ status: 202 });
      await say(roles, 'hello');
      await eventually(() => expect(agent.requests).toHaveLength(1));
      await roles.worker.kill();
      expect(await callBack(roles, 'kept')).toBe(200);
      await roles.worker.restart();
      await eventually(() => expect(slack.posts).toMatchObject([{ text: 'kept' }]));
      expect(agent.requests).toHaveLength(1);
    }));

  test('a worker killed between request and answer leaves a run that is asked again under the same id', () =>
    withRoles(store(), async (roles) => {
      react = async () => {
        await roles.worker.kill();
        return { reply: { text: 'to nobody' } };
      };
      await say(roles, 'hello');
      await eventually(() => expect(agent.requests).toHaveLength(1));
      react = () => ({ reply: { text: 'to somebody' } });
      await roles.worker.restart();
      await eventually(() => expect(slack.posts).toMatchObject([{ text: 'to somebody' }]));
      const [one, two] = agent.requests;
      expect(two?.id).toBe(one?.id);
      expect(two?.body).toBe(one?.body);
    }));
}

describe('two processes on the embedded store', () => journeys(() => ({})));

describeRedis('two processes on Redis', () => {
  let server: Awaited<ReturnType<typeof startRedis>>;
  beforeEach(async () => {
    server = await startRedis();
  });
  afterEach(() => server.stop());
  journeys(() => ({ SALLYPORT_REDIS_URL: server.url }));
});
