import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SendContext } from '../../../src/channels/channel.ts';
import { createSlackReplier, type SlackReplierDeps } from '../../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import type { JsonObject } from '../../../src/core/json/json-text.ts';
import { type Logger, silentLogger } from '../../../src/core/logger.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { type SlackFault, type SlackServer, startSlackServer } from '../../../src/testing/slack/server.ts';
import { sendable } from '../../support/post-call.ts';
import { until } from '../../support/until.ts';
import { vendorFetch } from '../../support/vendor-fetch.ts';

const THREAD = '1700000000.000100';
const inThread = { via: 'message', channel: 'C0GENERAL', thread: THREAD, workspace: 'T0HOME', app: 'A0OURS' };
const direct = { via: 'message', channel: 'D0ALICE', workspace: 'T0HOME' };
const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(9)]);

let slack: SlackServer;
beforeEach(async () => {
  slack = await startSlackServer();
});
afterEach(() => slack.stop());

const replier = (overrides: Partial<SlackReplierDeps> = {}) =>
  createSlackReplier({
    apiUrl: slack.url,
    botToken: 'bot-token-of-home',
    fetch: vendorFetch(overrides.apiUrl ?? slack.url),
    sealer,
    logger: silentLogger,
    ...overrides,
  });

const context = (destination: JsonObject, more: Partial<SendContext> = {}): SendContext =>
  sendable({
    tenant: 'acme',
    eventId: 'ev_1',
    replyId: 'reply-1',
    destination,
    sealed: {},
    signal: new AbortController().signal,
    ...more,
  });

/** A context whose reply goes to a response URL. */
const pressed = (url: string, eventId = 'ev_1'): SendContext =>
  context(
    { via: 'response_url', channel: 'C0GENERAL' },
    { sealed: { response_url: sealer.seal(url, { tenant: 'acme', eventId, name: 'response_url' }) } },
  );

/** What sending came to, in one word. */
async function fateOf(sending: Promise<unknown>): Promise<string> {
  try {
    return (await (sending as Promise<{ kind: string }>)).kind;
  } catch (error) {
    if (error instanceof SallyportError) return error.code;
    throw error;
  }
}

const hello = { text: 'hello' };
const longAgo = () => Date.now() - 60_000;

describe('sending a message', () => {
  it('posts into the thread, as itself, with the name of the reply', async () => {
    await expect(replier().send(hello, context(inThread))).resolves.toEqual({ kind: 'delivered' });
    expect(slack.posts).toMatchObject([
      { via: 'chat.postMessage', channel: 'C0GENERAL', threadTs: THREAD, text: 'hello' },
    ]);
    expect(slack.posts[0]?.arguments).toMatchObject({
      metadata: { event_type: 'sallyport_reply', event_payload: { reply_id: 'reply-1' } },
      unfurl_links: 'false',
      unfurl_media: 'false',
    });
  });

  it('posts a direct message beside the one it answers', async () => {
    await replier().send(hello, context(direct));
    expect(slack.posts[0]?.threadTs).toBeUndefined();
  });

  it('wakes nobody', async () => {
    await replier().send({ text: '<!channel> <!here|x> <!subteam^S1> <@U1> @here' }, context(direct));
    expect(slack.posts[0]?.text).toBe('&lt;!channel&gt; &lt;!here|x&gt; &lt;!subteam^S1&gt; &lt;@U1&gt; @here');
    // What would make a mention of the last one.
    expect(slack.posts[0]?.arguments).toMatchObject({ link_names: 'false' });
    expect(slack.posts[0]?.arguments).not.toHaveProperty('parse');
  });

  it('without a token nothing is sent', async () => {
    const { botToken: _, ...rest } = {
      botToken: '',
      apiUrl: slack.url,
      fetch: vendorFetch(slack.url),
      sealer,
      logger: silentLogger,
    };
    await expect(createSlackReplier(rest).send(hello, context(inThread))).resolves.toEqual({ kind: 'unsent' });
    expect(slack.calls).toEqual([]);
  });

  it('a run that was stopped sends nothing', async () => {
    const stopped = context(inThread, { signal: AbortSignal.abort() });
    expect(await fateOf(replier().send(hello, stopped))).toBe('ERR_REPLY_UNAVAILABLE');
    expect(slack.calls).toEqual([]);
  });

  it.each([[{ via: 'message', workspace: 'T0HOME' }], [{ channel: 'C0GENERAL' }], [{}]])(
    'the destination %j is refused',
    async (destination) => {
      expect(await fateOf(replier().send(hello, context(destination)))).toBe('ERR_REPLY_REJECTED');
      expect(slack.calls).toEqual([]);
    },
  );
});

describe('whose token is used', () => {
  const entry = { tenant: 'acme', appId: 'A0OURS', teamId: 'T0HOME' };
  const withTable = (...installations: NonNullable<SlackReplierDeps['installations']>) => replier({ installations });

  beforeEach(async () => {
    await slack.stop();
    slack = await startSlackServer({ token: 'token-of-installation' });
  });

  it('the one of the installation', async () => {
    const table = withTable({ ...entry, botToken: 'token-of-installation' });
    expect(await fateOf(table.send(hello, context(inThread)))).toBe('delivered');
  });

  it("the channel's where the installation has none", async () => {
    expect(await fateOf(withTable(entry).send(hello, context(inThread)))).toBe('ERR_REPLY_REJECTED');
    expect(slack.calls).toEqual(['chat.postMessage']);
  });

  it.each([
    ['another workspace', { ...entry, teamId: 'T0ELSE' }],
    ['another app', { ...entry, appId: 'A0ELSE' }],
    ['another tenant', { ...entry, tenant: 'rival' }],
  ])('never one of %s', async (_, other) => {
    const table = withTable({ ...other, botToken: 'token-of-installation' });
    expect(await fateOf(table.send(hello, context(inThread)))).toBe('unsent');
    expect(slack.calls).toEqual([]);
  });
});

const failures: readonly [string, SlackFault, string][] = [
  ['429', { kind: 'status', status: 429, retryAfter: 7 }, 'ERR_REPLY_UNAVAILABLE'],
  ['429 without a time', { kind: 'status', status: 429 }, 'ERR_REPLY_UNAVAILABLE'],
  ...[302, 408, 500, 502, 503, 504, 520].map((status): [string, SlackFault, string] => [
    `${status}, which may come after the effect`,
    { kind: 'status', status },
    'ambiguous',
  ]),
  ['403', { kind: 'status', status: 403 }, 'ERR_REPLY_REJECTED'],
  ['ratelimited', { kind: 'error', error: 'ratelimited' }, 'ERR_REPLY_UNAVAILABLE'],
  ['service_unavailable', { kind: 'error', error: 'service_unavailable' }, 'ambiguous'],
  ['internal_error, which may have succeeded', { kind: 'error', error: 'internal_error' }, 'ambiguous'],
  ...['channel_not_found', 'not_in_channel', 'is_archived', 'invalid_auth', 'token_revoked', 'new_word'].map(
    (error): [string, SlackFault, string] => [error, { kind: 'error', error }, 'ERR_REPLY_REJECTED'],
  ),
  ["a proxy's page", { kind: 'garbage', body: '<html>' }, 'ambiguous'],
  ['a connection lost before the effect', { kind: 'drop', after: 'nothing' }, 'ambiguous'],
  ['a connection lost after the effect', { kind: 'drop', after: 'effect' }, 'ambiguous'],
];

describe('what a failure means', () => {
  it.each(failures)('%s', async (_, fault, fate) => {
    slack.failNext(fault);
    expect(await fateOf(replier().send(hello, context(inThread)))).toBe(fate);
    expect(slack.calls).toEqual(['chat.postMessage']);
  });

  it('the time Slack asks for is passed on', async () => {
    slack.failNext({ kind: 'status', status: 429, retryAfter: 7 });
    await expect(replier().send(hello, context(inThread))).rejects.toMatchObject({ retryAfterMs: 7000 });
  });

  it('a server that is not there took nothing', async () => {
    const gone = await startSlackServer();
    await gone.stop();
    expect(await fateOf(replier({ apiUrl: gone.url }).send(hello, context(inThread)))).toBe('ERR_REPLY_UNAVAILABLE');
  });

  it('stopping while Slack works leaves it open', async () => {
    slack.failNext({ kind: 'delay', ms: 2_000 });
    const stop = new AbortController();
    const sending = fateOf(replier().send(hello, context(inThread, { signal: stop.signal })));
    await until('Slack is called', () => slack.calls.length > 0, { everyMs: 5 });
    stop.abort();
    expect(await sending).toBe('ambiguous');
  });

  it('a redirect is not followed, and one that keeps the method proves that nothing was taken', async () => {
    const elsewhere = createServer((_, response) => response.writeHead(307, { location: slack.url }).end());
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const apiUrl = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/api/`;
    expect(await fateOf(replier({ apiUrl }).send(hello, context(inThread)))).toBe('ERR_REPLY_REJECTED');
    expect(slack.calls).toEqual([]);
    elsewhere.close();
  });

  it('is logged by name, without text, token or address', async () => {
    const lines: unknown[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields, name) => lines.push([name, fields]) };
    slack.failNext({ kind: 'error', error: 'is_archived' });
    await fateOf(replier({ logger }).send({ text: 'confidential' }, context(inThread)));
    const fields = { eventId: 'ev_1', tenant: 'acme', channel: 'slack', outcome: 'rejected', why: 'is_archived' };
    expect(lines).toEqual([['reply.failed', fields]]);
  });
});

describe('finding a reply that was lost', () => {
  const anotherBot = { user: 'U0ELSE', bot_id: 'B0ELSE' };
  const lose = async (destination: JsonObject) => {
    slack.failNext({ kind: 'drop', after: 'effect' });
    expect(await fateOf(replier().send(hello, context(destination)))).toBe('ambiguous');
  };

  it.each([
    ['in a thread', inThread, 'conversations.replies'],
    ['in a direct message', direct, 'conversations.history'],
  ])('%s: it arrived', async (_, destination, method) => {
    await lose(destination);
    expect(await replier().find(context(destination), longAgo())).toBe('delivered');
    expect(slack.calls).toEqual(['chat.postMessage', method]);
    expect(slack.posts).toHaveLength(1);
  });

  it('another reply is not it', async () => {
    await lose(inThread);
    expect(await replier().find(context(inThread, { replyId: 'reply-2' }), longAgo())).toBe('absent');
  });

  it('it never arrived', async () => {
    slack.failNext({ kind: 'drop', after: 'nothing' });
    expect(await fateOf(replier().send(hello, context(inThread)))).toBe('ambiguous');
    expect(await replier().find(context(inThread), longAgo())).toBe('absent');
  });

  it('behind many others it is still found, page by page', async () => {
    for (let i = 0; i < 450; i += 1) slack.say('C0GENERAL', `noise ${i}`, { thread_ts: THREAD, ...anotherBot });
    slack.say('C0GENERAL', 'ours, without metadata', { thread_ts: THREAD });
    await lose(inThread);
    expect(await replier().find(context(inThread), longAgo())).toBe('delivered');
    expect(slack.calls.filter((one) => one === 'conversations.replies')).toHaveLength(3);
  });

  it('behind more than can be read, nobody knows', async () => {
    const metadata = { event_type: 'other', event_payload: {} };
    for (let i = 0; i < 1_001; i += 1) slack.say('C0GENERAL', `noise ${i}`, { thread_ts: THREAD, metadata });
    expect(await replier().find(context(inThread), longAgo())).toBe('unknown');
    expect(slack.calls).toHaveLength(5);
  });

  it('where Slack shows no metadata, a message of ours could be it', async () => {
    await slack.stop();
    slack = await startSlackServer({ showsMetadata: false });
    await lose(inThread);
    expect(await replier().find(context(inThread), longAgo())).toBe('unknown');
    expect(slack.calls).toEqual(['chat.postMessage', 'conversations.replies', 'auth.test']);
  });

  it("another bot's message without metadata is not", async () => {
    slack.say('C0GENERAL', 'beep', { thread_ts: THREAD, ...anotherBot });
    expect(await replier().find(context(inThread), longAgo())).toBe('absent');
    expect(slack.calls).toEqual(['conversations.replies', 'auth.test']);
  });

  it('a configured installation says who we are, without asking', async () => {
    slack.say('C0GENERAL', 'bare', { thread_ts: THREAD });
    const known = { tenant: 'acme', appId: 'A0OURS', teamId: 'T0HOME', botUserId: 'U0BOT', botId: 'B0BOT' };
    const elsewhere = { ...known, botUserId: 'U0X', botId: 'B0X' };
    const asked = (one: typeof known) => replier({ installations: [one] }).find(context(inThread), longAgo());
    expect(await asked(known)).toBe('unknown');
    expect(await asked(elsewhere)).toBe('absent');
    expect(slack.calls).toEqual(['conversations.replies', 'conversations.replies']);
  });

  it('when Slack will not say who we are, nobody knows', async () => {
    slack.say('C0GENERAL', 'beep', { thread_ts: THREAD, ...anotherBot });
    slack.failNext({ kind: 'error', error: 'internal_error', method: 'auth.test' });
    expect(await replier().find(context(inThread), longAgo())).toBe('unknown');
  });

  it('asks who we are once', async () => {
    const again = replier();
    slack.say('C0GENERAL', 'bare', { thread_ts: THREAD });
    expect(await again.find(context(inThread), longAgo())).toBe('unknown');
    expect(await again.find(context(inThread), longAgo())).toBe('unknown');
    expect(slack.calls.filter((one) => one === 'auth.test')).toHaveLength(1);
  });

  it.each([
    ['missing_scope', { kind: 'error', error: 'missing_scope' }, 'unknown'],
    ['429', { kind: 'status', status: 429, retryAfter: 1 }, 'ERR_REPLY_UNAVAILABLE'],
    ['a lost connection', { kind: 'drop', after: 'effect' }, 'ERR_REPLY_UNAVAILABLE'],
  ] as const)('asking ends in %s', async (_, fault, fate) => {
    slack.failNext(fault);
    const asked = replier().find(context(inThread), longAgo());
    expect(await fateOf(asked.then((kind) => ({ kind })))).toBe(fate);
  });

  it.each([
    ['a response_url', { via: 'response_url', channel: 'C0GENERAL' }],
    ['a user', { via: 'message', channel: 'U0ALICE' }],
    ['nowhere', { via: 'message' }],
  ])('what went to %s cannot be asked about', async (_, destination) => {
    expect(await replier().find(context(destination), longAgo())).toBe('unknown');
    expect(slack.calls).toEqual([]);
  });
});

describe('answering what was pressed', () => {
  it('posts to the response_url, for the user alone', async () => {
    const url = slack.responseUrl();
    await expect(replier().send(hello, pressed(url))).resolves.toEqual({ kind: 'delivered' });
    expect(slack.posts).toMatchObject([
      {
        via: 'response_url',
        channel: new URL(url).pathname,
        arguments: { text: 'hello', response_type: 'ephemeral', replace_original: false },
      },
    ]);
  });

  it('needs no token', async () => {
    const withoutToken = { apiUrl: slack.url, fetch: vendorFetch(slack.url), sealer, logger: silentLogger };
    expect(await fateOf(createSlackReplier(withoutToken).send(hello, pressed(slack.responseUrl())))).toBe('delivered');
  });

  it.each([
    'http://hooks.slack.com/actions/T/1/x',
    'https://hooks.slack.com.evil.example/x',
    'https://hooks.slack.com:8443/x',
    'https://user@hooks.slack.com/x',
    'https://evil.example/?hooks.slack.com',
    'http://127.0.0.1:1/x',
    'file:///etc/passwd',
    'not a url',
  ])('never posts to %s', async (url) => {
    expect(await fateOf(replier().send(hello, pressed(url)))).toBe('ERR_REPLY_REJECTED');
  });

  it("a local server is only reached when it is Slack's stand-in", async () => {
    const real = replier({ apiUrl: 'https://slack.com/api/' });
    expect(await fateOf(real.send(hello, pressed(slack.responseUrl())))).toBe('ERR_REPLY_REJECTED');
    expect(slack.posts).toEqual([]);
  });

  it.each([
    ['a used URL', { kind: 'status', status: 404 }, 'ERR_REPLY_REJECTED'],
    ['an expired URL, told with 200', { kind: 'error', error: 'expired_url' }, 'ERR_REPLY_REJECTED'],
    ['429', { kind: 'status', status: 429, retryAfter: 3 }, 'ERR_REPLY_UNAVAILABLE'],
    ['503', { kind: 'status', status: 503 }, 'ambiguous'],
    ['a lost answer', { kind: 'drop', after: 'effect' }, 'ambiguous'],
  ] as const)('%s', async (_, fault, fate) => {
    slack.failNext(fault);
    expect(await fateOf(replier().send(hello, pressed(slack.responseUrl())))).toBe(fate);
    expect(slack.calls).toHaveLength(1);
  });

  it('a capability sealed for another event does not open', async () => {
    const stolen = { ...pressed(slack.responseUrl(), 'ev_2'), eventId: 'ev_1' };
    expect(await fateOf(replier().send(hello, stolen))).toBe('ERR_SEAL_BROKEN');
  });

  it('without a capability there is nowhere to post', async () => {
    const bare = context({ via: 'response_url', channel: 'C0GENERAL' });
    expect(await fateOf(replier().send(hello, bare))).toBe('ERR_REPLY_REJECTED');
  });
});
