import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ParsedEvent } from '../../../src/channels/channel.ts';
import { createWatches } from '../../../src/channels/gmail/sync/mailbox-state.ts';
import { createGmailKeeperTask } from '../../../src/channels/gmail/sync/subscriptions.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import type { KeptSource } from '../../../src/core/kept-source.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import type { GmailCall } from '../../../src/testing/gmail/routes.ts';
import { type GmailFault, type GmailServer, startGmailServer } from '../../../src/testing/gmail/server.ts';
import { createFakeClock, type FakeClock } from '../../support/clock.ts';
import { identifier, MAILBOX } from '../../support/gmail.ts';
import { type GmailWorker, openGmailWorker, prepared, TENANT } from '../../support/gmail-worker.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TOPIC = 'projects/p/topics/gmail';

let folder: string;
let clock: FakeClock;
let store: Store;
let server: GmailServer;
let worker: GmailWorker;
let fault: (call: GmailCall) => GmailFault | undefined;
let published: string[];
let polled: ParsedEvent[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-keeper-'));
  clock = createFakeClock();
  fault = () => undefined;
  published = [];
  polled = [];
  const path = join(folder, 'gmail.db');
  store = await openEmbeddedStore({
    path,
    limits: defaultLimits,
    idCheck: 'test',
    logger: silentLogger,
    clock: clock.now,
  });
  server = await startGmailServer({
    clock: clock.now,
    fault: (call) => fault(call),
    onPublish: (_, historyId) => published.push(historyId),
  });
  worker = openGmailWorker({ store, url: server.url, clock });
});
afterEach(async () => {
  await server.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

async function run(
  overrides: Partial<Parameters<typeof createGmailKeeperTask>[0]> = {},
  topic: string | null = TOPIC,
): Promise<readonly KeptSource[]> {
  const task = createGmailKeeperTask({
    identifier,
    tenant: TENANT,
    client: worker.deps.client,
    mailboxes: worker.mailboxes,
    watches: createWatches(store.records, TENANT),
    ...(topic !== null && { topic }),
    clock: clock.now,
    random: () => 0.5,
    boxes: [MAILBOX],
    pollAfterMs: 10 * MINUTE,
    accept: async (events) => {
      polled.push(...events);
    },
    ...overrides,
  });
  return (await task.run(new AbortController().signal)).sources;
}

/** What workers do with the looks that are due. */
async function readPolls(): Promise<void> {
  for (const event of prepared(polled.splice(0))) await worker.read(event);
}

const cursor = async () => (await worker.mailboxes.read(MAILBOX))?.historyId;
const current = (): string => String(server.mailbox(MAILBOX).historyId());
const watchCalls = (): GmailCall[] => server.calls.filter(({ method }) => method === 'watch');

describe('a mailbox whose cursor is of a later release', () => {
  test('stays as it is, is reported, and keeps no other from being kept', async () => {
    const later = { v: 2, cursor: 'everything up to here has been accepted' };
    await store.records.compareAndSet(TENANT, 'gmail-mailboxes', MAILBOX, 0, later);
    const sources = await run({ boxes: [MAILBOX, 'second@example.com'] });
    expect((await store.records.get(TENANT, 'gmail-mailboxes', MAILBOX))?.value).toEqual(later);
    expect(sources).toMatchObject([
      { name: MAILBOX, state: 'failing', code: 'ERR_STORE_MISMATCH' },
      { name: 'second@example.com', state: 'active' },
    ]);
  });
});

describe('a watch', () => {
  test('is made with the first round, after which the mailbox is looked into and has a cursor', async () => {
    const sources = await run();
    expect(watchCalls().map(({ mailbox, body }) => [mailbox, body])).toEqual([[MAILBOX, { topicName: TOPIC }]]);
    const { expiresAt } = sources[0] ?? {};
    expect(sources).toEqual([
      { name: MAILBOX, state: 'active', expiresAt: clock.now() + 7 * DAY, lastEventAt: null, startedAt: clock.now() },
    ]);
    expect([await cursor(), server.watchedUntil(MAILBOX)]).toEqual([null, expiresAt]);
    await readPolls();
    expect(await cursor()).toBe(current());
  });

  test('is renewed every day, whatever the keeper’s rounds are, and never later', async () => {
    const late: number[] = [];
    for (let minutes = 0; minutes < 30 * 24 * 60; minutes += 31) {
      const [source] = await run({ pollAfterMs: 1_000 * DAY });
      late.push(Number(source?.expiresAt) - clock.now());
      clock.advance(31 * MINUTE);
    }
    // 22.8 h with the jitter of this test, so 31 in 30 days at these rounds; and at no time less than 6 days were left.
    expect(watchCalls()).toHaveLength(31);
    expect(Math.min(...late)).toBeGreaterThan(6 * DAY);
  });

  test('is renewed without touching a cursor, which would skip everything that was not read yet', async () => {
    await run();
    await readPolls();
    const before = await cursor();
    const { id } = server.mailbox(MAILBOX).deliver();
    clock.advance(DAY);
    await run();
    expect(watchCalls()).toHaveLength(2);
    expect([await cursor(), before === current()]).toEqual([before, false]);
    await readPolls();
    expect(await worker.accepted()).toEqual([id]);
  });

  test('that could not be made at first loses nothing that came since the first attempt', async () => {
    fault = () => 503;
    await run();
    const { id } = server.mailbox(MAILBOX).deliver();
    fault = () => undefined;
    clock.advance(MINUTE);
    await run();
    await readPolls();
    expect(await worker.accepted()).toEqual([id]);
  });

  test('may have its first push read before its own answer has come', async () => {
    const { client } = worker.deps;
    const overtaken: typeof client = {
      call: async (...args) => {
        const answer = await client.call(...args);
        server.mailbox(MAILBOX).deliver();
        await worker.push(published.at(-1) ?? '');
        server.mailbox(MAILBOX).deliver();
        return answer;
      },
    };
    await run({ client: overtaken });
    await worker.push(current());
    expect(await worker.accepted()).toHaveLength(2);
  });

  test('that cannot be renewed fails visibly, is tried again soon and then less often, and lapses', async () => {
    await run();
    fault = ({ method }) => (method === 'watch' ? 503 : undefined);
    clock.advance(DAY);
    expect(await run()).toMatchObject([{ state: 'failing', code: 'ERR_SOURCE_UNAVAILABLE' }]);
    const tries: number[] = [];
    for (let minutes = 0; minutes < 6 * 60; minutes += 1) {
      const before = watchCalls().length;
      clock.advance(MINUTE);
      await run();
      if (watchCalls().length > before) tries.push(minutes);
    }
    expect(tries.length).toBeGreaterThan(5);
    expect(tries.length).toBeLessThan(20);
    clock.advance(7 * DAY);
    expect(await run()).toMatchObject([{ state: 'lapsed', code: 'ERR_SOURCE_UNAVAILABLE' }]);
    fault = () => undefined;
    clock.advance(HOUR);
    await worker.push(current());
    expect(await run()).toMatchObject([{ state: 'active', expiresAt: clock.now() + 7 * DAY }]);
    expect((await run())[0]).not.toHaveProperty('code');
  });

  test('of one mailbox does not keep the others from theirs', async () => {
    fault = ({ mailbox }) => (mailbox === MAILBOX ? 403 : undefined);
    const sources = await run({ boxes: [MAILBOX, 'second@example.com'] });
    expect(sources.map(({ state }) => state)).toEqual(['lapsed', 'active']);
  });

  test('without a topic is somebody else’s; the cursor begins all the same', async () => {
    expect(await run({}, null)).toMatchObject([{ state: 'active', expiresAt: null }]);
    await readPolls();
    expect([watchCalls().length, await cursor()]).toEqual([0, current()]);
  });
});

describe('a mailbox that says nothing', () => {
  beforeEach(async () => {
    await run({ boxes: [MAILBOX, 'second@example.com'] });
    await readPolls();
  });

  test('is looked into after a while, once, and again a while later', async () => {
    clock.advance(9 * MINUTE);
    await run();
    expect(polled).toEqual([]);
    clock.advance(MINUTE);
    await run();
    await run();
    expect(polled.map(({ event }) => [event.kind, event.conversation.name])).toEqual([['poll', MAILBOX]]);
    clock.advance(10 * MINUTE);
    await run();
    expect(polled).toHaveLength(2);
  });

  test('is not looked into where pushes come', async () => {
    for (let i = 0; i < 6; i += 1) {
      clock.advance(5 * MINUTE);
      await worker.push(current());
      await run();
    }
    expect(polled).toEqual([]);
  });

  test('is looked into a minute after a push whose message did not show', async () => {
    await worker.push(String(server.mailbox(MAILBOX).historyId() + 5n));
    server.mailbox(MAILBOX).skip(5);
    await worker.push(current());
    await run();
    expect(polled).toEqual([]);
    clock.advance(MINUTE);
    await run();
    expect(polled).toHaveLength(1);
  });

  test('counts as failing when several looks came to nothing', async () => {
    clock.advance(41 * MINUTE);
    expect(await run()).toMatchObject([{ state: 'failing', code: 'ERR_SOURCE_UNAVAILABLE' }]);
  });

  test('waits for the next round while the queue is full, without holding up other mailboxes', async () => {
    clock.advance(DAY);
    const full = async (): Promise<void> => {
      throw new SallyportError('ERR_QUEUE_FULL', 'full');
    };
    const sources = await run({ boxes: [MAILBOX, 'second@example.com'], accept: full });
    expect(sources.map(({ expiresAt }) => expiresAt)).toEqual([clock.now() + 7 * DAY, clock.now() + 7 * DAY]);
    await run();
    expect(polled).toHaveLength(1);
  });
});
