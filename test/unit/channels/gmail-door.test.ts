import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import type { App } from '../../../src/server/http/context.ts';
import { pushClaimForgeries, pushClaims } from '../../../src/testing/gmail/google-signer.ts';
import { startPushDeliveries } from '../../../src/testing/gmail/pubsub-deliveries.ts';
import { gmailPush, isAcknowledged, type PushRequest, withToken } from '../../../src/testing/gmail/pubsub-sender.ts';
import { type KeyServer, startKeyServer } from '../../../src/testing/keys/key-server.ts';
import { signToken, tokenForgeries } from '../../../src/testing/keys/signing-key.ts';
import {
  expiredGoogleToken,
  helloWorldPush,
  numberData,
  officialPush,
  standardData,
  urlSafeData,
} from '../../fixtures/gmail-pushes.ts';
import { createFakeClock } from '../../support/clock.ts';
import {
  AUDIENCE,
  createCounter,
  deliver,
  type GmailDoorOptions,
  googleKey,
  MAILBOX,
  openGmailDoor,
  pushAt,
  SERVICE_ACCOUNT,
  SUBSCRIPTION,
  tokenAt,
} from '../../support/gmail.ts';
import { samples } from '../../support/needs.ts';

const { now, advance } = createFakeClock();
let keys: KeyServer;
let folder: string;
let store: Store;
let app: App;
let counts: Map<string, number>;

beforeAll(async () => {
  keys = await startKeyServer([googleKey]);
  folder = await mkdtemp(join(tmpdir(), 'sallyport-gmail-'));
});
afterAll(async () => {
  await keys.stop();
  await rm(folder, { recursive: true, force: true });
});

let opened = 0;
async function open(overrides: Partial<GmailDoorOptions> = {}): Promise<void> {
  const counter = createCounter();
  counts = counter.counts;
  app = openGmailDoor({ store, jwksUrl: keys.jwksUrl, clock: now, meter: counter.meter, ...overrides });
}

beforeEach(async () => {
  opened += 1;
  const path = join(folder, `${opened}.db`);
  store = await openEmbeddedStore({
    path,
    limits: defaultLimits,
    idCheck: 'test',
    logger: silentLogger,
    clock: now,
  });
  await open();
});
afterEach(async () => {
  keys.behave('ok');
  await store.close();
});

const json = (value: unknown, headers: Record<string, string> = {}): PushRequest => raw(JSON.stringify(value), headers);
const raw = (body: string, headers: Record<string, string> = {}): PushRequest =>
  withToken({ method: 'POST', headers, body: Buffer.from(body) }, tokenAt(now()));

/** What the accepted push says, as the worker will read it. */
async function hintOf(request: PushRequest): Promise<unknown> {
  const { status, outcome, eventId } = await deliver(app, request);
  expect([status, outcome]).toEqual([204, 'accepted']);
  const record = await store.events.get('acme', eventId ?? '');
  return record?.event.payload;
}

describe('a push that is what it claims to be', () => {
  test('is taken with 204 and recorded as a hint about its mailbox', async () => {
    const { eventId, ...answer } = await deliver(app, json(officialPush));
    expect(answer).toMatchObject({ status: 204, outcome: 'accepted' });
    const { event } = (await store.events.get('acme', eventId ?? '')) ?? {};
    expect(event).toMatchObject({ kind: 'push', channel: 'gmail', text: '', conversation: { name: MAILBOX } });
    expect(event?.payload).toEqual({ mailbox: MAILBOX, historyId: '1234567890', publishedAt: 1614366835749 });
    expect(counts).toEqual(new Map([['accepted', 1]]));
  });

  test('may hold a history id as text or as a number, below 2^53 and above, in both alphabets, wrapped or not', async () => {
    const big = '18446744073709551615';
    const forms = [
      [{}, '1710'],
      [{ historyIdAs: 'text' }, '1710'],
      [{ historyId: big }, big],
      [{ historyId: big, historyIdAs: 'text', encoding: 'base64url' }, big],
      [{ historyId: '007', historyIdAs: 'text' }, '7'],
      [{ historyId: big, form: 'unwrapped' }, big],
      [{ mailbox: 'User@Example.COM' }, '1710'],
    ] as const;
    for (const [overrides, historyId] of forms) {
      expect(await hintOf(pushAt(now(), overrides))).toEqual({ mailbox: MAILBOX, historyId, publishedAt: now() });
    }
  });

  test('is a duplicate when its Pub/Sub id comes again, and another push under another id', async () => {
    const first = { messageId: '2070443601311540' };
    await deliver(app, pushAt(now(), first));
    const again = await deliver(app, pushAt(now(), { ...first, deliveryAttempt: 2 }));
    expect(again).toMatchObject({ status: 204, outcome: 'duplicate' });
    expect(await deliver(app, pushAt(now(), { ...first, form: 'unwrapped' }))).toMatchObject({ outcome: 'duplicate' });
    expect(await deliver(app, pushAt(now()))).toMatchObject({ outcome: 'accepted' });
  });

  test('is a conflict, and taken, when the same Pub/Sub id says something else', async () => {
    await deliver(app, pushAt(now(), { messageId: '1' }));
    const answer = await deliver(app, pushAt(now(), { messageId: '1', historyId: '1711' }));
    expect(answer).toMatchObject({ status: 204, outcome: 'conflict' });
  });

  test('may use a token for as long as it is good: Pub/Sub does for up to an hour', async () => {
    const token = tokenAt(now());
    const push = () =>
      withToken(gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() }), token);
    advance(59 * 60_000);
    expect((await deliver(app, push())).status).toBe(204);
    // A minute is forgiven for clocks that differ.
    advance(2 * 60_000 - 1_000);
    expect((await deliver(app, push())).status).toBe(204);
    advance(1_000);
    expect((await deliver(app, push())).status).toBe(401);
  });
});

describe('a push by another account', () => {
  const [name = '', domain = ''] = SERVICE_ACCOUNT.split('@');
  const claims = pushClaims({ audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, at: now() });
  const pushWith = (overrides: object) => {
    const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() });
    const issuedAt = Math.floor(now() / 1000);
    return withToken(push, signToken({ ...claims, iat: issuedAt, exp: issuedAt + 3_600, ...overrides }, googleKey));
  };

  test.each([
    ['of the same project', `other@${domain}`],
    ['of the same project, whose name ends like ours', `my${SERVICE_ACCOUNT}`],
    ['of the same project, whose name begins like ours', `${name}er@${domain}`],
    ['of the same project, with a tag', `${name}+x@${domain}`],
    ['of another project', `${name}@other-project.iam.gserviceaccount.com`],
    ['of a domain that begins like ours', `${SERVICE_ACCOUNT}.attacker.example`],
    ['of a domain that ends like ours', `${name}@attacker.example.${domain}`],
    ['in capitals', SERVICE_ACCOUNT.toUpperCase()],
    ['with white space', ` ${SERVICE_ACCOUNT} `],
    ['with a line break behind it', `${SERVICE_ACCOUNT}\n`],
    ['beside ours', `${SERVICE_ACCOUNT},other@${domain}`],
    ['of the domain alone', `@${domain}`],
    ['without a name', ''],
  ])('%s is refused, although Google signed it for our audience', async (_, email) => {
    expect(await deliver(app, pushWith({ email }))).toMatchObject({ status: 401, outcome: null });
    expect(counts).toEqual(new Map([['rejected token_sender', 1]]));
    expect((await deliver(app, pushWith({}))).status).toBe(204);
  });

  test.each([[false], ['true'], ['false'], [1], [0], [null], [[true]], [{}], ['']])(
    'is what ours is taken for when its e-mail is verified only by %j',
    async (verified) => {
      expect((await deliver(app, pushWith({ email_verified: verified }))).status).toBe(401);
      expect((await deliver(app, pushWith({}))).status).toBe(204);
    },
  );

  test('is one without an e-mail, or whose e-mail is no text', async () => {
    for (const email of [undefined, null, 7, true, [SERVICE_ACCOUNT], { email: SERVICE_ACCOUNT }]) {
      expect((await deliver(app, pushWith({ email }))).status).toBe(401);
    }
    expect(
      (await deliver(app, pushWith({ email: undefined, sub: SERVICE_ACCOUNT, azp: SERVICE_ACCOUNT }))).status,
    ).toBe(401);
    expect((await deliver(app, pushWith({}))).status).toBe(204);
  });
});

describe('published samples', () => {
  test('with a number, and with data whose two base64 alphabets differ', async () => {
    await open({ channel: { mailboxes: [MAILBOX, 'a?b>c~@example.com'] } });
    const withData = (data: string, messageId: string) =>
      json({ message: { data, messageId }, subscription: SUBSCRIPTION });
    expect(await hintOf(withData(numberData, '1'))).toMatchObject({ mailbox: MAILBOX, historyId: '1710' });
    const both = { mailbox: 'a?b>c~@example.com', historyId: '9007199254740993' };
    expect(await hintOf(withData(standardData, '2'))).toMatchObject(both);
    expect(await hintOf(withData(urlSafeData, '3'))).toMatchObject(both);
  });

  test('without wrapping, known by its headers', async () => {
    const headers = {
      'x-goog-pubsub-subscription-name': SUBSCRIPTION,
      'x-goog-pubsub-message-id': '2070443601311540',
      'x-goog-pubsub-publish-time': '2021-02-26T19:13:55.749Z',
    };
    const sample = raw('{"emailAddress":"user@example.com","historyId":"1234567890"}', headers);
    expect(await hintOf(sample)).toEqual({ mailbox: MAILBOX, historyId: '1234567890', publishedAt: 1614366835749 });
    // The same notification, wrapped.
    expect(await deliver(app, json(officialPush))).toMatchObject({ outcome: 'duplicate' });
  });

  test('with data that Gmail never wrote: taken, so that it is not sent for ever', async () => {
    expect(await deliver(app, json(helloWorldPush))).toMatchObject({ status: 204, outcome: 'quarantined' });
    expect(counts).toEqual(new Map([['quarantined bad_data', 1]]));
  });

  test("with Google's own expired token: refused", async () => {
    const answer = await deliver(
      app,
      withToken({ method: 'POST', headers: {}, body: Buffer.from('{}') }, expiredGoogleToken),
    );
    expect(answer).toMatchObject({ status: 401, outcome: null });
    expect(counts).toEqual(new Map([['rejected token_key_unknown', 1]]));
  });
});

const collected = samples('vectors/protocol-vectors.json');
collected.describe('the collected vectors', () => {
  interface Vector {
    readonly id: string;
    readonly channel: string;
    readonly input: {
      body?: unknown;
      headers?: Record<string, string>;
      data_base64?: string;
      data_base64url?: string;
      authorization?: string;
    };
    readonly expect?: { decoded?: { emailAddress: string; historyId: string }; both_decode_to?: string };
  }
  const all = collected.json<{ vectors: readonly Vector[] }>()?.vectors ?? [];
  const vectors = all.filter(({ channel }) => channel === 'gmail');
  const find = (id: string): Vector =>
    vectors.find((vector) => vector.id === id) ?? { id, channel: 'gmail', input: {} };

  test('are all known here', () => {
    expect(vectors.map(({ id }) => id).sort()).toEqual([
      'gmail.push.base64url_vs_base64',
      'gmail.push.number_history_id',
      'gmail.push.official',
      'pubsub.jwt.official',
      'pubsub.push.unwrapped',
      'pubsub.push.wrapped',
    ]);
  });

  test('decode to what they say, through the front door', async () => {
    await open({ channel: { mailboxes: [MAILBOX, 'a?b>c~@example.com'] } });
    const decoded = find('gmail.push.official').expect?.decoded;
    const expected = { mailbox: decoded?.emailAddress, historyId: decoded?.historyId };
    expect(await hintOf(json(find('gmail.push.official').input.body))).toMatchObject(expected);
    const push = (data: string | undefined, messageId: string) =>
      json({ message: { data, messageId }, subscription: SUBSCRIPTION });
    const number = find('gmail.push.number_history_id');
    expect(await hintOf(push(number.input.data_base64, '1'))).toMatchObject({
      historyId: number.expect?.decoded?.historyId,
    });
    const both = find('gmail.push.base64url_vs_base64');
    const { emailAddress: mailbox, historyId } = JSON.parse(both.expect?.both_decode_to ?? '{}');
    expect(await hintOf(push(both.input.data_base64, '2'))).toMatchObject({ mailbox, historyId });
    expect(await hintOf(push(both.input.data_base64url, '3'))).toMatchObject({ mailbox, historyId });
    const unwrapped = find('pubsub.push.unwrapped').input;
    const answer = await deliver(app, raw(String(unwrapped.body), unwrapped.headers));
    // The very notification of gmail.push.official.
    expect(answer).toMatchObject({ status: 204, outcome: 'duplicate' });
    expect(await deliver(app, json(find('pubsub.push.wrapped').input.body))).toMatchObject({
      status: 204,
      outcome: 'quarantined',
    });
    const { authorization = '' } = find('pubsub.jwt.official').input;
    expect((await deliver(app, { headers: { authorization }, body: Buffer.from('{}') })).status).toBe(401);
  });
});

const reasons: Readonly<Record<string, string>> = {
  'alg-none': 'token_algorithm',
  'hs256-public-key': 'token_algorithm',
  'unknown-kid': 'token_key_unknown',
  'colliding-kid': 'token_signature_mismatch',
  'embedded-jwk': 'token_signature_mismatch',
  'foreign-jku': 'token_signature_mismatch',
  'foreign-x5u': 'token_signature_mismatch',
  'altered-claims': 'token_signature_mismatch',
  'no-kid': 'token_malformed',
  'other-audience': 'token_audience',
  'other-account': 'token_sender',
  'unverified-email': 'token_sender',
  'email-verified-as-text': 'token_sender',
  'email-verified-missing': 'token_claim',
  'exp-missing': 'token_claim',
  'iat-missing': 'token_claim',
  expired: 'token_expired',
  'from-the-future': 'token_expired',
  'other-issuer': 'token_issuer',
};

describe('a forgery', () => {
  test.each([...tokenForgeries, ...pushClaimForgeries])(
    '%s is answered 401 and counted with its reason',
    async (forgery) => {
      const push = withToken(
        gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() }),
        tokenAt(now(), forgery),
      );
      const answer = await deliver(app, push);
      expect(answer).toMatchObject({ status: 401, outcome: null, eventId: null });
      expect(counts).toEqual(new Map([[`rejected ${reasons[forgery]}`, 1]]));
      expect((await store.events.list('acme', { limit: 10 })).events).toEqual([]);
    },
  );

  test('of the subscription in the body, or in the headers, is one of the token: it vouches for one subscription', async () => {
    const other = 'projects/myproject/subscriptions/other';
    expect((await deliver(app, pushAt(now(), { subscription: other }))).status).toBe(401);
    expect((await deliver(app, pushAt(now(), { subscription: other, form: 'unwrapped' }))).status).toBe(401);
    expect((await deliver(app, json({ message: officialPush.message }))).status).toBe(401);
    expect(counts).toEqual(new Map([['rejected token_sender', 3]]));
  });

  test('never has its body read', async () => {
    let isRead = false;
    const body = new ReadableStream(
      {
        pull: () => {
          isRead = true;
          throw new Error('read');
        },
      },
      { highWaterMark: 0 },
    );
    const init = {
      method: 'POST',
      body,
      duplex: 'half',
      headers: { authorization: `Bearer ${tokenAt(now(), 'expired')}` },
    };
    const response = await app.request('http://gate.example/hooks/gmail/acme', init as RequestInit);
    expect([response.status, isRead]).toEqual([401, false]);
  });

  test('is not what Google means when it writes its name without the scheme', async () => {
    const claims = pushClaims({ audience: AUDIENCE, serviceAccount: SERVICE_ACCOUNT, at: now() });
    const token = signToken({ ...claims, iss: 'accounts.google.com' }, googleKey);
    const push = gmailPush({ subscription: SUBSCRIPTION, mailbox: MAILBOX, historyId: '1', at: now() });
    expect((await deliver(app, withToken(push, token))).status).toBe(204);
  });
});

describe('what is answered', () => {
  const valid = (): PushRequest => pushAt(now());

  test.each([
    ['no token', () => ({ headers: {}, body: valid().body }), 'rejected token_missing'],
    [
      'a token that is none',
      () => ({ ...valid(), headers: { authorization: 'Bearer x' } }),
      'rejected token_malformed',
    ],
    ['no token and no JSON', () => ({ headers: {}, body: Buffer.from('x') }), 'rejected token_missing'],
    ['no token and too much', () => ({ headers: {}, body: Buffer.alloc(100_000) }), 'rejected token_missing'],
  ])('401 to %s', async (_, request, reason) => {
    expect((await deliver(app, request())).status).toBe(401);
    expect([...counts.keys()]).toEqual([reason]);
  });

  test.each([
    ['a mailbox nobody connected', () => pushAt(now(), { mailbox: 'stranger@example.com' }), 'ignored unknown_mailbox'],
    ['no JSON', () => raw('x'), 'quarantined unparsable'],
    ['nothing', () => raw(''), 'quarantined unparsable'],
    ['JSON that is no push', () => raw('{}'), 'quarantined unparsable'],
    ['JSON nested too deeply', () => raw(`${'['.repeat(100)}${']'.repeat(100)}`), 'quarantined unparsable'],
    ['bytes that are no text', () => ({ ...valid(), body: Buffer.from([0xff, 0xfe]) }), 'quarantined unparsable'],
    ['no data', () => json({ message: { messageId: '1' }, subscription: SUBSCRIPTION }), 'quarantined bad_data'],
    [
      'data that is no base64',
      () => json({ message: { messageId: '1', data: '***' }, subscription: SUBSCRIPTION }),
      'quarantined bad_data',
    ],
    [
      'no message id',
      () => json({ message: { data: numberData }, subscription: SUBSCRIPTION }),
      'quarantined bad_message_id',
    ],
    ['a negative history id', () => pushAt(now(), { historyId: '-1' }), 'quarantined bad_data'],
    ['a fractional history id', () => pushAt(now(), { historyId: '1.5' }), 'quarantined bad_data'],
    [
      'a history id in hexadecimal',
      () => pushAt(now(), { historyId: '0x1f', historyIdAs: 'text' }),
      'quarantined bad_data',
    ],
    ['a body over the limit', () => raw(JSON.stringify(officialPush).padEnd(70_000)), 'rejected body_too_large'],
  ])('204 to %s with a good token, and counted: sending it again would help nobody', async (_, request, reason) => {
    const { status } = await deliver(app, request());
    expect(status).toBe(204);
    expect(isAcknowledged(status)).toBe(true);
    expect([...counts.keys()]).toEqual([reason]);
    expect((await store.events.list('acme', { limit: 10 })).events).toEqual([]);
  });

  test('405 to anything but POST, 404 where no such channel is', async () => {
    const got = await app.request('http://gate.example/hooks/gmail/acme');
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
    for (const path of ['/hooks/gmail/other', '/hooks/gmail/acme/more', '/hooks/gmail']) {
      const { headers, body } = valid();
      const response = await app.request(`http://gate.example${path}`, {
        method: 'POST',
        headers,
        body: new Uint8Array(body),
      });
      expect(response.status).toBe(404);
    }
  });

  test('503 without any key, 204 again once there is one, and while a known key is the last one', async () => {
    keys.behave('error');
    await open();
    expect(await deliver(app, valid())).toMatchObject({ status: 503, outcome: null });
    expect(counts).toEqual(new Map([['unavailable keys_unavailable', 1]]));
    keys.behave('ok');
    advance(1_000);
    expect((await deliver(app, valid())).status).toBe(204);
    keys.behave('error');
    advance(24 * 3_600_000);
    expect((await deliver(app, valid())).status).toBe(204);
  });

  test('503 when the store is away, when it is full, and when the process stops', async () => {
    const failing = (code: 'ERR_STORE_UNAVAILABLE'): Store => ({
      ...store,
      inbox: { accept: () => Promise.reject(new SallyportError(code, 'away')) },
    });
    await open({ store: failing('ERR_STORE_UNAVAILABLE') });
    expect((await deliver(app, valid())).status).toBe(503);
    await open({ store: { ...store, inbox: { accept: async () => [{ outcome: 'full' }] } } });
    const full = await deliver(app, valid());
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '5']);
    await open({ isDraining: () => true });
    expect((await deliver(app, valid())).status).toBe(503);
  });

  test('429 to a source whose proofs keep failing, never to an authentic push', async () => {
    await open({ failuresPerMinute: 2 });
    const forged = () => deliver(app, { headers: { authorization: 'Bearer a.b.c' }, body: Buffer.from('{}') });
    const statuses = [(await forged()).status, (await forged()).status, (await forged()).status];
    expect(statuses).toEqual([401, 401, 429]);
    expect((await deliver(app, valid())).status).toBe(204);
  });
});

describe('a subscription whose pushes are refused', () => {
  test('delivers all of them once the gate is well again, and nothing holds it up that the gate can do nothing about', async () => {
    keys.behave('error');
    await open();
    const { deliver: run } = startPushDeliveries({
      post: async (push) => (await deliver(app, push)).status,
      pause: async (ms) => {
        advance(ms);
        if (ms > 1_000) keys.behave('ok');
      },
    });
    const pushes = ['1', '2', '3'].map((historyId) => pushAt(now(), { historyId }));
    const attempts = await run(pushes);
    expect(attempts.filter(({ status }) => status === 204)).toHaveLength(3);
    expect(attempts.filter(({ status }) => status === 503).length).toBeGreaterThan(2);
    const poison = [raw('x'), pushAt(now(), { mailbox: 'stranger@example.com' }), pushAt(now(), { historyId: '-1' })];
    const [, ...after] = await run([...poison, pushAt(now())]);
    expect(after.map(({ status }) => status)).toEqual([204, 204, 204]);
  });
});
