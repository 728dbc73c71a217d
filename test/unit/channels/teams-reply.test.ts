import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SendContext } from '../../../src/channels/channel.ts';
import { createTeamsReplier } from '../../../src/channels/teams/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { asFetch } from '../../../src/net/clients.ts';
import { allowEntry } from '../../../src/net/guard/check-url.ts';
import { createGuardedFetch, type GuardedFetch } from '../../../src/net/guarded-fetch.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { type BotConnectorServer, startBotConnectorServer } from '../../../src/testing/teams/bot-connector-server.ts';
import { createFakeClock } from '../../support/clock.ts';
import { sendable } from '../../support/post-call.ts';
import { APP_ID, APP_PASSWORD, botKey, openTeamsGate, said, signed, type TeamsGate } from '../../support/teams.ts';
import { until } from '../../support/until.ts';

const clock = createFakeClock();
const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);

let connector: BotConnectorServer;
let guarded: GuardedFetch;

beforeAll(() => {
  guarded = createGuardedFetch({ resolve: async () => ['93.184.216.34'], allow: [] });
});
beforeEach(async () => {
  connector = await startBotConnectorServer({ appId: APP_ID, appPassword: APP_PASSWORD, keys: [botKey] });
  await guarded.close();
  const allow = [allowEntry(connector.tokenUrl)].filter((entry) => entry !== null);
  guarded = createGuardedFetch({ resolve: async () => ['93.184.216.34'], allow, timeoutMs: 2_000 });
});
afterEach(() => connector.stop());
afterAll(() => guarded.close());

function replier(overrides: Partial<Parameters<typeof createTeamsReplier>[0]> = {}) {
  const fetch = asFetch(guarded);
  return createTeamsReplier({
    credentials: {
      clientId: APP_ID,
      clientSecret: APP_PASSWORD,
      tokenUrl: connector.tokenUrl,
      scope: 'https://api.botframework.com/.default',
      fetch,
    },
    serviceHosts: [connector.host],
    fetch,
    sealer,
    clock: clock.now,
    logger: silentLogger,
    ...overrides,
  });
}

const reference = () => ({
  serviceUrl: connector.serviceUrl,
  conversationId: '19:general@thread.tacv2;messageid=1',
  activityId: 'f:2',
  bot: { id: `28:${APP_ID}`, name: 'Sallyport' },
});

function context(sealed: object = reference(), more: Partial<SendContext> = {}): SendContext {
  const binding = { tenant: 'acme', eventId: 'ev_1', name: 'conversation_reference' };
  return sendable({
    tenant: 'acme',
    eventId: 'ev_1',
    destination: { via: 'message' },
    sealed: { conversation_reference: sealer.seal(JSON.stringify(sealed), binding) },
    replyId: 'ev_1',
    signal: new AbortController().signal,
    ...more,
  });
}

const hello = { text: 'hello' };

/** What sending came to: the kind of its result, or the code it threw with. */
async function fateOf(sending: Promise<{ kind: string }>): Promise<string> {
  try {
    return (await sending).kind;
  } catch (error) {
    if (error instanceof SallyportError) return error.code;
    throw error;
  }
}

describe('a reply', () => {
  it('is posted to the activity it answers, as the bot, with a token of its own', async () => {
    expect(await replier().send(hello, context())).toEqual({ kind: 'delivered' });
    expect(connector.posts).toEqual([
      {
        id: '1',
        conversation: '19:general@thread.tacv2;messageid=1',
        replyTo: 'f:2',
        activity: {
          type: 'message',
          text: 'hello',
          textFormat: 'markdown',
          conversation: { id: '19:general@thread.tacv2;messageid=1' },
          from: { id: `28:${APP_ID}` },
          replyToId: 'f:2',
        },
      },
    ]);
    expect(connector.tokenRequests).toEqual([
      {
        grant_type: 'client_credentials',
        client_id: APP_ID,
        client_secret: APP_PASSWORD,
        scope: 'https://api.botframework.com/.default',
      },
    ]);
  });

  it('to something without an id goes to the conversation', async () => {
    const { activityId: _, bot: __, ...bare } = reference();
    await replier().send(hello, context(bare));
    expect(connector.posts).toMatchObject([{ conversation: bare.conversationId }]);
    expect(connector.posts[0]).not.toHaveProperty('replyTo');
  });

  it('cannot leave its path, whatever the ids are', async () => {
    await replier().send(hello, context({ ...reference(), conversationId: '../../../x?y#z', activityId: '../w' }));
    expect(connector.posts).toMatchObject([{ conversation: '../../../x?y#z', replyTo: '../w' }]);
  });

  it('that was given in a response is delivered without posting', async () => {
    const inResponse = context({}, { destination: { via: 'response', until: clock.now() } });
    expect(await replier().send(hello, inResponse)).toEqual({ kind: 'in_response' });
    // What has no effect may be done once more.
    expect(await replier().find(inResponse, 0)).toBe('absent');
    expect([connector.posts, connector.tokenRequests]).toEqual([[], []]);
  });

  it('that comes when nobody waits for the response any more has nowhere to go', async () => {
    const tooLate = context({}, { destination: { via: 'response', until: clock.now() - 1 } });
    expect(await replier().send(hello, tooLate)).toEqual({ kind: 'unsent' });
    expect(connector.posts).toEqual([]);
  });

  it('says that it is Markdown, and holds nobody’s tags', async () => {
    await replier().send({ text: '**a** <at>b</at> <b>c</b>' }, context());
    const text = '**a** &lt;at>b&lt;/at> &lt;b>c&lt;/b>';
    expect(connector.posts).toMatchObject([{ activity: { type: 'message', textFormat: 'markdown', text } }]);
  });

  it('is announced by a sign, but not where the response is the answer', async () => {
    const { conversationId } = reference();
    await replier().showWorking?.(context());
    await replier().showWorking?.(context({}, { destination: { via: 'response', until: clock.now() } }));
    expect([connector.typings, connector.posts]).toEqual([[{ conversation: conversationId, after: 0 }], []]);
  });

  it('without credentials is kept', async () => {
    const fetch = asFetch(guarded);
    const keeping = createTeamsReplier({ fetch, sealer, clock: clock.now, logger: silentLogger });
    expect(await keeping.send(hello, context())).toEqual({ kind: 'unsent' });
  });

  it.each([
    ['no conversation', { sealed: {} }],
    ['another kind of destination', { destination: { channel: 'C1' } }],
  ])('to %s is rejected', async (_, more) => {
    expect(await fateOf(replier().send(hello, context(reference(), more)))).toBe('ERR_REPLY_REJECTED');
  });

  it('sealed for another event is not opened', async () => {
    expect(await fateOf(replier().send(hello, { ...context(), eventId: 'ev_2' }))).toBe('ERR_SEAL_BROKEN');
  });

  it('nobody can ask the connector whether it arrived', async () => {
    expect(await replier().find(context(), 0)).toBe('unknown');
  });
});

describe("the bot's token", () => {
  it('never goes to a host that is not on the list, nor is it asked for then', async () => {
    const other = await startBotConnectorServer();
    const elsewhere = context({ ...reference(), serviceUrl: other.serviceUrl });
    expect(await fateOf(replier().send(hello, elsewhere))).toBe('ERR_REPLY_REJECTED');
    expect([other.posts, connector.tokenRequests]).toEqual([[], []]);
    await other.stop();
  });

  it('does not follow a redirect', async () => {
    const other = await startBotConnectorServer();
    connector.failNext({
      at: 'conversations',
      kind: 'redirect',
      location: `${other.serviceUrl}v3/conversations/1/activities`,
    });
    expect(await fateOf(replier().send(hello, context()))).toBe('ERR_REPLY_REJECTED');
    expect(other.posts).toEqual([]);
    await other.stop();
  });

  it('does not go to a private address behind a name on the list', async () => {
    const inside = createGuardedFetch({ resolve: async () => ['10.0.0.1'] });
    const fetch = asFetch(inside);
    const named = replier({ serviceHosts: ['smba.trafficmanager.net'], fetch });
    const where = context({ ...reference(), serviceUrl: 'https://smba.trafficmanager.net/teams/' });
    expect(await fateOf(named.send(hello, where))).toBe('ERR_REPLY_REJECTED');
    await inside.close();
  });

  it('is asked for once for many replies, and again shortly before it ends', async () => {
    const one = replier();
    await Promise.all(Array.from({ length: 10 }, () => one.send(hello, context())));
    expect([connector.posts.length, connector.tokenRequests.length]).toEqual([10, 1]);
    clock.advance(3_600_000 - 300_001);
    await one.send(hello, context());
    expect(connector.tokenRequests).toHaveLength(1);
    clock.advance(1);
    await one.send(hello, context());
    expect(connector.tokenRequests).toHaveLength(2);
  });

  it('that was revoked is forgotten, and the next attempt gets another', async () => {
    const one = replier();
    await one.send(hello, context());
    connector.revokeTokens();
    expect(await fateOf(one.send(hello, context()))).toBe('ERR_REPLY_UNAVAILABLE');
    expect(await fateOf(one.send(hello, context()))).toBe('delivered');
    expect(connector.tokenRequests).toHaveLength(2);
  });

  it.each([
    ['the endpoint throttles', { kind: 'status', status: 429 }, 'ERR_REPLY_UNAVAILABLE'],
    ['the endpoint fails', { kind: 'status', status: 503 }, 'ERR_REPLY_UNAVAILABLE'],
    ['the gateway before it fails', { kind: 'status', status: 504 }, 'ERR_REPLY_UNAVAILABLE'],
    ['the connection breaks', { kind: 'drop', after: 'effect' }, 'ERR_REPLY_UNAVAILABLE'],
    ['the app is unknown', { kind: 'status', status: 400 }, 'ERR_REPLY_REJECTED'],
    ['the endpoint moved', { kind: 'redirect', location: 'https://attacker.example/' }, 'ERR_REPLY_REJECTED'],
  ] as const)('when %s nothing was posted: %s', async (_, fault, code) => {
    connector.failNext({ at: 'token', ...fault });
    expect(await fateOf(replier().send(hello, context()))).toBe(code);
    expect(connector.posts).toEqual([]);
  });

  it('is not given for a wrong password', async () => {
    const fetch = asFetch(guarded);
    const credentials = { clientId: APP_ID, clientSecret: 'wrong', tokenUrl: connector.tokenUrl, scope: 's', fetch };
    expect(await fateOf(replier({ credentials }).send(hello, context()))).toBe('ERR_REPLY_REJECTED');
  });
});

describe('what a failure means', () => {
  it.each([
    ['429', { kind: 'status', status: 429, retryAfter: 7 }, 'ERR_REPLY_UNAVAILABLE', 0],
    ['412', { kind: 'status', status: 412 }, 'ERR_REPLY_UNAVAILABLE', 0],
    ['302', { kind: 'status', status: 302 }, 'ambiguous', 0],
    ['408', { kind: 'status', status: 408 }, 'ambiguous', 0],
    ['500', { kind: 'status', status: 500 }, 'ambiguous', 0],
    ['503', { kind: 'status', status: 503 }, 'ambiguous', 0],
    ['500 after the effect', { kind: 'late-status', status: 500 }, 'ambiguous', 1],
    ['503 after the effect', { kind: 'late-status', status: 503 }, 'ambiguous', 1],
    ['400', { kind: 'status', status: 400 }, 'ERR_REPLY_REJECTED', 0],
    ['403', { kind: 'status', status: 403 }, 'ERR_REPLY_REJECTED', 0],
    ['404', { kind: 'status', status: 404 }, 'ERR_REPLY_REJECTED', 0],
    ['413', { kind: 'status', status: 413 }, 'ERR_REPLY_REJECTED', 0],
    ['a gateway that gave up', { kind: 'late-status', status: 502 }, 'ambiguous', 1],
    ['a gateway that waited too long', { kind: 'late-status', status: 504 }, 'ambiguous', 1],
    ['a lost response', { kind: 'drop', after: 'effect' }, 'ambiguous', 1],
    ['a broken connection', { kind: 'drop', after: 'nothing' }, 'ambiguous', 0],
    ['no answer in time', { kind: 'delay', ms: 3_000 }, 'ambiguous', 0],
  ] as const)('%s', async (_, fault, expected, posted) => {
    connector.failNext({ at: 'conversations', ...fault });
    expect(await fateOf(replier().send(hello, context()))).toBe(expected);
    expect(connector.posts).toHaveLength(posted);
  });

  it("the connector's wish for a pause is passed on", async () => {
    connector.failNext({ at: 'conversations', kind: 'status', status: 429, retryAfter: 7 });
    await expect(replier().send(hello, context())).rejects.toMatchObject({ retryAfterMs: 7_000 });
  });

  it('a connector that cannot be reached has certainly posted nothing', async () => {
    const gone = await startBotConnectorServer();
    await gone.stop();
    const allow = [allowEntry(gone.tokenUrl), allowEntry(connector.tokenUrl)].filter((entry) => entry !== null);
    const away = createGuardedFetch({ resolve: async () => [], allow });
    const one = replier({ serviceHosts: [gone.host], fetch: asFetch(away) });
    const where = context({ ...reference(), serviceUrl: gone.serviceUrl });
    expect(await fateOf(one.send(hello, where))).toBe('ERR_REPLY_UNAVAILABLE');
    await away.close();
  });

  it('stopping while the connector works leaves it open, stopping before does not', async () => {
    connector.failNext({ at: 'conversations', kind: 'delay', ms: 5_000 });
    const stop = new AbortController();
    const sending = fateOf(replier().send(hello, context(reference(), { signal: stop.signal })));
    await until('a token is asked for', () => connector.tokenRequests.length > 0, { everyMs: 5 });
    // The token has been given out; the call that it is for follows at once.
    await new Promise((resolve) => setTimeout(resolve, 500));
    stop.abort();
    expect(await sending).toBe('ambiguous');
    expect(await fateOf(replier().send(hello, context(reference(), { signal: stop.signal })))).toBe(
      'ERR_REPLY_UNAVAILABLE',
    );
  });
});

describe('through the worker', () => {
  let gate: TeamsGate;

  beforeEach(async () => {
    gate = await openTeamsGate({ connector, clock: clock.now });
  });
  afterEach(() => gate.stop());

  const take = async (): Promise<string | null> => {
    const at = clock.now();
    const activity = said({ text: 'hello', at, serviceUrl: connector.serviceUrl });
    return (await gate.post(signed(activity, { at }))).eventId;
  };

  it('a lost response parks the event, and the reply is never posted again', async () => {
    connector.failNext({ at: 'conversations', kind: 'drop', after: 'effect' });
    const eventId = await take();
    expect(await gate.settle(eventId)).toMatchObject({ state: 'waiting' });
    // The next attempt would ask the connector whether it arrived, if one could.
    clock.advance(30_000);
    expect(await gate.settle(eventId)).toMatchObject({ state: 'parked', failure: { code: 'ERR_AMBIGUOUS_EFFECT' } });
    clock.advance(600_000);
    await gate.settle(eventId);
    expect(connector.posts).toHaveLength(1);
  });

  it('throttling is waited for, and the reply posted once', async () => {
    connector.failNext({ at: 'conversations', kind: 'status', status: 429, retryAfter: 2 });
    const eventId = await take();
    expect(await gate.settle(eventId)).toMatchObject({ state: 'waiting', attempts: 1 });
    clock.advance(2_000);
    expect(await gate.settle(eventId)).toMatchObject({ state: 'done', attempts: 2 });
    expect(connector.posts).toHaveLength(1);
  });

  it('no password, token or service URL is in any log line', async () => {
    connector.failNext({ at: 'conversations', kind: 'status', status: 403 });
    await gate.settle(await take());
    connector.failNext({ at: 'token', kind: 'status', status: 400 });
    connector.revokeTokens();
    await gate.settle(await take());
    expect(gate.lines.join('\n')).toContain('reply.failed');
    expect(gate.lines.join('\n')).not.toMatch(new RegExp(`${APP_PASSWORD}|connector-token|${connector.host}`));
  });
});
