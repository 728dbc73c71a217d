import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import type { App } from '../../../src/server/http/context.ts';
import { type PushRequest, withToken } from '../../../src/testing/gmail/pubsub-sender.ts';
import { type KeyServer, startKeyServer } from '../../../src/testing/keys/key-server.ts';
import { numberData, standardData, urlSafeData } from '../../fixtures/gmail-pushes.ts';
import { createFakeClock } from '../../support/clock.ts';
import {
  deliver,
  type GmailDoorOptions,
  googleKey,
  MAILBOX,
  openGmailDoor,
  pushAt,
  SUBSCRIPTION,
  tokenAt,
} from '../../support/gmail.ts';
import { samples } from '../../support/needs.ts';

const { now } = createFakeClock();
let keys: KeyServer;
let folder: string;
let store: Store;
let app: App;

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
  app = openGmailDoor({ store, jwksUrl: keys.jwksUrl, clock: now, ...overrides });
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

/*
 * What only Node shows: a store that is away or full, a process that stops, a body that is never read, and a mailbox that no
 * setting may name.
 */

test('with a number, and with data whose two base64 alphabets differ', async () => {
  await open({ channel: { mailboxes: [MAILBOX, 'a?b>c~@example.com'] } });
  const withData = (data: string, messageId: string) =>
    json({ message: { data, messageId }, subscription: SUBSCRIPTION });
  expect(await hintOf(withData(numberData, '1'))).toMatchObject({ mailbox: MAILBOX, historyId: '1710' });
  const both = { mailbox: 'a?b>c~@example.com', historyId: '9007199254740993' };
  expect(await hintOf(withData(standardData, '2'))).toMatchObject(both);
  expect(await hintOf(withData(urlSafeData, '3'))).toMatchObject(both);
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

test('503 when the store is away, when it is full, and when the process stops', async () => {
  const failing = (code: 'ERR_STORE_UNAVAILABLE'): Store => ({
    ...store,
    inbox: { accept: () => Promise.reject(new SallyportError(code, 'away')) },
  });
  await open({ store: failing('ERR_STORE_UNAVAILABLE') });
  expect((await deliver(app, pushAt(now()))).status).toBe(503);
  await open({ store: { ...store, inbox: { accept: async () => [{ outcome: 'full' }] } } });
  const full = await deliver(app, pushAt(now()));
  expect([full.status, full.headers.get('retry-after')]).toEqual([503, '5']);
  await open({ isDraining: () => true });
  expect((await deliver(app, pushAt(now()))).status).toBe(503);
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
