import { App, type AppOptions, LogLevel } from '@slack/bolt';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Runtime } from '../../src/app/runtime.node.ts';
import { trustedAgent } from '../../src/app/trusted-agent.node.ts';
import { loadConfig } from '../../src/config/load.ts';
import { nodeCrypto } from '../../src/core/crypto/crypto.node.ts';
import { codeOf } from '../../src/core/errors.ts';
import type { EventRecord } from '../../src/core/event.ts';
import type { LogFields, Logger } from '../../src/core/logger.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { createClients } from '../../src/net/clients.ts';
import { allowEntry } from '../../src/net/guard/check-url.ts';
import { createDnsResolve } from '../../src/net/guard/resolve.ts';
import { createGuardedFetch } from '../../src/net/guarded-fetch.ts';
import { createSealer } from '../../src/scrub/seal.ts';
import { type SlackServer, startSlackServer } from '../../src/testing/slack/server.ts';
import {
  type SlackBody,
  signSlackRequest,
  slackForm,
  slackInteraction,
  slackJson,
} from '../../src/testing/slack/signer.ts';
import { createBoltAgent } from '../../src/workers/agents/bolt/agent.ts';
import type { AppSource } from '../../src/workers/agents/bolt/app.ts';
import { boltReceiver, boltAgent as defineBoltAgent } from '../../src/workers/agents/bolt/define.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { type Gate, openGate, SIGNING_SECRET } from '../support/gate.ts';
import { answered, message } from '../support/slack.ts';

let slack: SlackServer;
let clock: FakeClock;
let gate: Gate;
let app: App;
let heard: string[];
let warnings: string[];

const logger: Logger = { ...silentLogger, warn: (_: LogFields, name: string) => void warnings.push(name) };

/** Bolt's own goes to the console. */
const quiet = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  setName() {},
  getLevel: () => LogLevel.ERROR,
};

/** An app as its author wrote it: one workspace, its own token, Slack at its usual address. */
const newApp = (options: AppOptions = {}): App =>
  new App({
    receiver: boltReceiver(),
    logger: quiet,
    authorize: async () => ({ botToken: 'xoxb-of-the-app', botId: 'B0BOT', botUserId: 'U0BOT' }),
    ...options,
  });

function boltAgent(source: AppSource) {
  const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);
  const allow = [allowEntry(slack.url)].filter((entry) => entry !== null);
  const guarded = createGuardedFetch({ resolve: createDnsResolve(), allow });
  return createBoltAgent(source, {
    open({ tenant, id: eventId, sealed }, name) {
      const text = sealed[name];
      return text === undefined ? null : sealer.open(text, { tenant, eventId, name });
    },
    slack: new Map([['default', { apiUrl: slack.url, fetch: guarded, mayHave: () => true }]]),
    logger,
  });
}

async function open(source: AppSource): Promise<void> {
  await gate?.stop();
  gate = await openGate({ agent: { name: 'bolt', isFree: true, ...boltAgent(source) }, clock: clock.now });
}

beforeEach(async () => {
  slack = await startSlackServer();
  clock = createFakeClock(Date.now());
  heard = [];
  warnings = [];
  app = newApp();
  await open(() => app);
});
afterEach(() => Promise.all([gate.stop(), slack.stop()]));

async function post(body: SlackBody): Promise<string> {
  const { method, headers, body: bytes } = signSlackRequest(body, { signingSecret: SIGNING_SECRET, at: clock.now() });
  const request = new Request('http://gate.test/hooks/slack/default', { method, headers, body: new Uint8Array(bytes) });
  const answer = await answered(await gate.app.request(request));
  expect(answer.outcome).toBe('accepted');
  return answer.eventId ?? '';
}
async function drain(id: string): Promise<EventRecord> {
  const record = await gate.store.events.get('default', id);
  if (record === null) throw new Error('expected a record');
  await gate.drain({ tenant: 'default', key: record.event.conversation.key });
  return (await gate.store.events.get('default', id)) ?? record;
}
const run = async (body: SlackBody): Promise<EventRecord> => drain(await post(body));
const write = (text: string, more: Partial<Parameters<typeof message>[0]> = {}) =>
  run(slackJson(message({ at: clock.now(), text, ...more })));

const user = { id: 'U0SENDER', team_id: 'T0SALLYPORT' };
const team = { id: 'T0SALLYPORT', domain: 'sallyport' };
const common = { token: 'deprecated', api_app_id: 'A0SALLYPORT', team, user, trigger_id: '13.37.abc' };
const command = () => ({
  command: '/ask',
  text: 'the way',
  user_id: 'U0SENDER',
  channel_id: 'C0SALLYPORT',
  team_id: 'T0SALLYPORT',
  api_app_id: 'A0SALLYPORT',
  token: 'deprecated',
  trigger_id: '13.37.abc',
  response_url: slack.responseUrl(),
});
const action = () => ({
  ...common,
  type: 'block_actions',
  channel: { id: 'C0SALLYPORT', name: 'general' },
  container: { type: 'message', message_ts: '1700000000.000100', channel_id: 'C0SALLYPORT' },
  message: { ts: '1700000000.000100', text: 'choose' },
  actions: [{ type: 'button', action_id: 'go', block_id: 'b', value: 'yes', action_ts: '1700000001.000200' }],
  response_url: slack.responseUrl(),
});

describe('an app gets', () => {
  test('a message, and answers it with its own token', async () => {
    app.message('hello', async ({ say, context }) => {
      heard.push(String(context.retryNum));
      await say('hello yourself');
    });
    const record = await write('hello');
    expect(record).toMatchObject({ state: 'done', runs: [{ outcome: 'silent' }] });
    expect(slack.posts).toMatchObject([{ text: 'hello yourself', channel: 'C0SALLYPORT' }]);
  });

  test('a mention as both of the events that Slack makes of it, or as the one that came', async () => {
    app.message(async () => void heard.push('message'));
    app.event('app_mention', async ({ event }) => void heard.push(`app_mention ${event.text}`));
    await write('<@U0BOT> hi');
    expect(heard.sort()).toEqual(['app_mention <@U0BOT> hi', 'message']);
    heard = [];
    await write('<@U0BOT> you', { asMention: true });
    expect(heard).toEqual(['app_mention <@U0BOT> you']);
    heard = [];
    await write('<@U0BOT> psst', { channel: 'D0SALLYPORT' });
    expect(heard).toEqual(['message']);
  });

  test('a command, and what it gives to ack is shown to the user', async () => {
    app.command('/ask', async ({ command: asked, ack }) => {
      heard.push(`${asked.text} ${asked.trigger_id}`);
      await ack({ response_type: 'in_channel', text: 'follow the signs' });
    });
    expect(await run(slackForm(command()))).toMatchObject({ state: 'done' });
    expect(heard).toEqual(['the way 13.37.abc']);
    expect(slack.posts).toMatchObject([
      { via: 'response_url', text: 'follow the signs', arguments: { response_type: 'in_channel' } },
    ]);
  });

  test('an action, and responds to it', async () => {
    app.action('go', async ({ ack, respond, payload, body }) => {
      await ack();
      heard.push('value' in payload ? String(payload.value) : '', 'trigger_id' in body ? String(body.trigger_id) : '');
      await respond({ text: 'gone', replace_original: true });
    });
    expect(await run(slackInteraction(action()))).toMatchObject({ state: 'done' });
    expect(heard).toEqual(['yes', '13.37.abc']);
    expect(slack.posts).toMatchObject([{ via: 'response_url', text: 'gone' }]);
  });

  test('a shortcut, of everywhere and of a message', async () => {
    app.shortcut('greet', async ({ ack, shortcut }) => {
      await ack();
      heard.push(`${shortcut.type} ${shortcut.trigger_id}`);
    });
    await run(slackInteraction({ ...common, type: 'shortcut', callback_id: 'greet', action_ts: '1700000002.1' }));
    await run(
      slackInteraction({
        ...common,
        ...{ type: 'message_action', callback_id: 'greet', trigger_id: '13.38.abd', action_ts: '1700000003.1' },
        channel: { id: 'C0SALLYPORT', name: 'general' },
        message: { type: 'message', ts: '1700000000.000100', text: 'this one' },
        response_url: slack.responseUrl(),
      }),
    );
    expect(heard).toEqual(['shortcut 13.37.abc', 'message_action 13.38.abd']);
  });

  test('a view, with the response URL of the channel that was chosen in it', async () => {
    app.view('form', async ({ ack, view, respond }) => {
      await ack();
      heard.push(view.id);
      await respond('thank you');
    });
    const view = { id: 'V0FORM', type: 'modal', callback_id: 'form', hash: '1.abc', state: { values: {} } };
    const responseUrls = [
      { response_url: slack.responseUrl(), channel_id: 'C0SALLYPORT', block_id: 'b', action_id: 'a' },
    ];
    await run(slackInteraction({ ...common, type: 'view_submission', view, response_urls: responseUrls }));
    expect(heard).toEqual(['V0FORM']);
    expect(slack.posts).toMatchObject([{ via: 'response_url', text: 'thank you' }]);
  });

  test('the event and the attempt in its context, to tell repetitions', async () => {
    app.message(async ({ context }) => void heard.push(JSON.stringify(context.sallyport)));
    const { event } = await write('hello');
    expect(heard.map((one) => JSON.parse(one))).toEqual([
      { eventId: event.id, tenant: 'default', generation: 1, attempt: 1 },
    ]);
  });

  test('no secret that somebody wrote, and its stored event holds no capability in clear', async () => {
    const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
    app.command('/ask', async ({ command: asked, ack, body }) => {
      await ack();
      heard.push(asked.text, JSON.stringify(body));
    });
    const asked = { ...command(), text: `my token is ${token}` };
    const record = await run(slackForm(asked));
    expect(heard[0]).toMatch(/^my token is \[secret:/);
    expect(heard.join()).not.toContain(token);
    expect(heard.join()).toContain(asked.response_url);
    for (const secret of [token, asked.response_url, asked.trigger_id]) {
      expect(JSON.stringify(record)).not.toContain(secret);
    }
  });

  test('nothing that is none of Slack’s, and what nobody listens to is done', async () => {
    const agent = boltAgent(app);
    const { event } = await write('nobody listens');
    app.message(async () => void heard.push('message'));
    const context = { signal: new AbortController().signal } as Parameters<typeof agent.run>[1];
    const task = { event: { ...event, channel: 'teams' as const }, generation: 1, attempt: 1 };
    expect(await agent.run(task, context)).toEqual({ kind: 'silent' });
    expect(heard).toEqual([]);
  });
});

describe('a failure', () => {
  const attempts = async (id: string): Promise<EventRecord> => {
    let record = await drain(id);
    for (let i = 0; i < 10 && record.state === 'waiting'; i += 1) {
      clock.advance(20_000);
      record = await drain(id);
    }
    return record;
  };

  test('of a listener is tried again and then parked', async () => {
    app.message(async () => {
      heard.push('tried');
      throw new Error('broken');
    });
    const record = await attempts(await post(slackJson(message({ text: 'hello', at: clock.now() }))));
    expect(record).toMatchObject({ state: 'parked' });
    expect(record.runs.every(({ code }) => code === 'ERR_AGENT_FAILED')).toBe(true);
    expect(heard.length).toBeGreaterThan(1);
    expect(heard).toHaveLength(record.runs.length);
  });

  test('that passes leaves an event that is done', async () => {
    app.message(async () => {
      heard.push('tried');
      if (heard.length === 1) throw new Error('once');
    });
    expect(await attempts(await post(slackJson(message({ text: 'hello', at: clock.now() }))))).toMatchObject({
      state: 'done',
      runs: [{ outcome: 'retry' }, { outcome: 'silent' }],
    });
  });

  test.each([false, true])('counts although the app’s error handler returns (extended: %s)', async (extended) => {
    app = newApp({ extendedErrorHandler: extended });
    app.error(async (raised: unknown) => {
      const error = raised instanceof Error ? raised : Reflect.get(Object(raised), 'error');
      heard.push(String(Reflect.get(Object(error), 'original')?.message ?? Reflect.get(Object(error), 'message')));
    });
    app.message(async () => {
      throw new Error('broken');
    });
    await open(app);
    expect(await write('hello')).toMatchObject({ state: 'waiting', runs: [{ code: 'ERR_AGENT_FAILED' }] });
    expect(heard).toEqual(['broken']);
  });

  test('to authorize counts, with an error handler that returns as well', async () => {
    app = newApp({ authorize: async () => Promise.reject(new Error('unknown workspace')) });
    app.error(async () => void heard.push('handled'));
    await open(app);
    expect(await write('hello')).toMatchObject({ state: 'waiting' });
    expect(heard).toEqual(['handled']);
  });

  test('of Slack to be called so often waits as long as Slack says', async () => {
    app.message(async ({ say }) => void (await say('hello')));
    slack.failNext({ kind: 'status', status: 429, retryAfter: 40 });
    const id = await post(slackJson(message({ text: 'hello', at: clock.now() })));
    expect(await drain(id)).toMatchObject({ state: 'waiting' });
    clock.advance(39_000);
    expect(await drain(id)).toMatchObject({ state: 'waiting' });
    clock.advance(1_000);
    expect(await drain(id)).toMatchObject({ state: 'done' });
    expect(slack.posts).toHaveLength(1);
  });

  test('of one call is not repeated behind the back of the worker', async () => {
    app.message(async ({ say }) => void (await say('hello')));
    slack.failNext({ kind: 'drop', after: 'effect' });
    expect(await write('hello')).toMatchObject({ state: 'waiting' });
    expect(slack.calls.filter((method) => method === 'chat.postMessage')).toHaveLength(1);
  });

  test('after ack gave the user something does not give it twice', async () => {
    app.command('/ask', async ({ ack }) => {
      await ack('working on it');
      heard.push('tried');
      if (heard.length === 1) throw new Error('once');
    });
    expect(await attempts(await post(slackForm(command())))).toMatchObject({ state: 'done' });
    expect(heard).toHaveLength(2);
    expect(slack.posts).toMatchObject([{ text: 'working on it' }]);
  });

  test('to load the app is tried again', async () => {
    const results = [Promise.reject(new Error('no such module')), Promise.resolve({ nothing: 1 }), { app }];
    for (const one of results) Promise.resolve(one).catch(() => {});
    await open(() => results.shift() as unknown as App);
    app.message(async () => void heard.push('message'));
    const id = await post(slackJson(message({ text: 'hello', at: clock.now() })));
    expect(await drain(id)).toMatchObject({ state: 'waiting' });
    clock.advance(20_000);
    expect(await drain(id)).toMatchObject({ state: 'parked', failure: { code: 'ERR_CONFIG_INVALID' } });
    await gate.store.events.redrive('default', id);
    expect(await drain(id)).toMatchObject({ state: 'done' });
    expect(heard).toEqual(['message']);
  });
});

describe('ack', () => {
  test('may be left out', async () => {
    app.command('/ask', async () => void heard.push('command'));
    expect(await run(slackForm(command()))).toMatchObject({ state: 'done' });
    expect(heard).toEqual(['command']);
    expect(slack.posts).toEqual([]);
  });

  test('cannot answer a view any more, and says so in the log', async () => {
    app.view('form', async ({ ack }) => ack({ response_action: 'errors', errors: { b: 'too short' } }));
    const view = { id: 'V0FORM', type: 'modal', callback_id: 'form', hash: '1.abc', state: { values: {} } };
    expect(await run(slackInteraction({ ...common, type: 'view_submission', view }))).toMatchObject({ state: 'done' });
    expect(warnings).toContain('bolt.ack-lost');
  });
});

test('an app with its own receiver and error handling works as it is, and keeps its own client options', async () => {
  const own = { slackApiUrl: slack.url, retryConfig: { retries: 1, minTimeout: 1, maxTimeout: 1 } };
  const { receiver: _, ...rest } = { receiver: undefined };
  app = new App({
    ...rest,
    signingSecret: SIGNING_SECRET,
    logger: quiet,
    token: 'xoxb-of-the-app',
    clientOptions: own,
  });
  app.message(async ({ say }) => void (await say('hello')));
  slack.failNext({ kind: 'drop', after: 'nothing', method: 'chat.postMessage' });
  await open(async () => ({ default: app }));
  expect(await write('hello')).toMatchObject({ state: 'done' });
  expect(slack.posts).toHaveLength(1);
  expect(slack.calls.filter((method) => method === 'chat.postMessage')).toHaveLength(2);
});

describe('an app with one token, between tenants whose Slack is elsewhere', () => {
  const KEY = Buffer.alloc(32, 7).toString('base64');
  const TOKEN = 'xoxb-of-one-workspace';

  /** The adapter as a configuration of two tenants makes it; only `acme` has the app's token. */
  function adapterOf(other: SlackServer, source: AppSource) {
    const signingSecrets = [SIGNING_SECRET];
    const file = {
      keys: { seal: [KEY], id: KEY },
      tenants: {
        acme: { slack: { signingSecrets, apiUrl: slack.url, botToken: TOKEN } },
        globex: { slack: { signingSecrets, apiUrl: other.url, botToken: 'xoxb-of-another-workspace' } },
      },
      agents: [defineBoltAgent({ app: source })],
    };
    const loaded = loadConfig(file, {}, 'all');
    if (!loaded.ok) throw new Error(loaded.problems.join());
    const { config } = loaded;
    const [definition] = config.agents;
    if (definition === undefined) throw new Error('no agent');
    const sealer = createSealer(nodeCrypto, [Buffer.from(KEY, 'base64')]);
    return trustedAgent(definition, { clients: createClients(), config, sealer, log: logger } as unknown as Runtime);
  }

  test('answers the tenant whose token it is and shows it to no other: those events fail', async () => {
    const other = await startSlackServer();
    onTestFinished(() => other.stop());
    // Without the verification that would ask Slack's own address, which a test cannot reach.
    const single = new App({ receiver: boltReceiver(), logger: quiet, token: TOKEN, tokenVerificationEnabled: false });
    single.message(async ({ say }) => void (await say('hello')));
    const adapter = adapterOf(other, () => single);
    const { event } = await write('hello');
    const context = { signal: new AbortController().signal } as Parameters<typeof adapter.run>[1];
    const runAs = (tenant: string) =>
      adapter.run({ event: { ...event, tenant }, generation: 1, attempt: 1 }, context).catch(codeOf);
    expect(await runAs('globex')).toBe('ERR_CONFIG_INVALID');
    expect(await runAs('acme')).toEqual({ kind: 'silent' });
    expect(await runAs('globex')).toBe('ERR_CONFIG_INVALID');
    expect(new Set(slack.tokens)).toEqual(new Set([TOKEN]));
    expect([slack.posts.length, other.calls]).toEqual([1, []]);
  });

  test('gives what a listener gave to ack to the Slack of the event’s tenant only', async () => {
    const other = await startSlackServer();
    onTestFinished(() => other.stop());
    app.command('/ask', async ({ ack }) => ack('working on it'));
    const adapter = adapterOf(other, () => app);
    const { event } = await run(slackForm(command()));
    const before = slack.posts.length;
    const steps = { earlier: () => undefined, record: async () => {} };
    const context = { signal: new AbortController().signal, steps } as unknown as Parameters<typeof adapter.run>[1];
    // Sealed for the tenant it came to, so each gets one of its own.
    const runAs = async (tenant: string, url: string) => {
      const sealer = createSealer(nodeCrypto, [Buffer.from(KEY, 'base64')]);
      const sealed = { response_url: sealer.seal(url, { tenant, eventId: event.id, name: 'response_url' }) };
      return adapter.run({ event: { ...event, tenant, sealed }, generation: 1, attempt: 1 }, context).catch(codeOf);
    };
    expect(await runAs('acme', slack.responseUrl())).toEqual({ kind: 'silent' });
    expect(await runAs('globex', other.responseUrl())).toEqual({ kind: 'silent' });
    expect(await runAs('globex', slack.responseUrl())).not.toEqual({ kind: 'silent' });
    expect([slack.posts.length - before, other.posts.length]).toEqual([1, 1]);
  });
});
