import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ParsedEvent } from '../../../src/channels/channel.ts';
import { pollEvent } from '../../../src/channels/gmail/receive/identify.ts';
import { later } from '../../../src/channels/gmail/sync/history.ts';
import { newMailbox } from '../../../src/channels/gmail/sync/mailbox-state.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import type { LocalMailbox } from '../../../src/testing/gmail/mailbox.ts';
import type { GmailCall } from '../../../src/testing/gmail/routes.ts';
import {
  type GmailFault,
  type GmailServer,
  type GmailServerOptions,
  startGmailServer,
} from '../../../src/testing/gmail/server.ts';
import { createFakeClock, type FakeClock } from '../../support/clock.ts';
import { identifier, MAILBOX } from '../../support/gmail.ts';
import { type GmailWorker, openGmailWorker, prepared, TENANT } from '../../support/gmail-worker.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

let folder: string;
let clock: FakeClock;
let store: Store;
let server: GmailServer;
let worker: GmailWorker;
let mailbox: LocalMailbox;
let fault: (call: GmailCall) => GmailFault | undefined;
let lagMs: number;
let searchLagMs: number;

async function open(options: Partial<GmailServerOptions> = {}): Promise<void> {
  await server?.stop();
  server = await startGmailServer({
    clock: clock.now,
    fault: (call) => fault(call),
    historyLagMs: () => lagMs,
    searchLagMs: () => searchLagMs,
    ...options,
  });
  mailbox = server.mailbox(MAILBOX);
  worker = openGmailWorker({ store, url: server.url, clock });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-cursor-'));
  clock = createFakeClock();
  fault = () => undefined;
  lagMs = 0;
  searchLagMs = 0;
  const path = join(folder, 'gmail.db');
  store = await openEmbeddedStore({
    path,
    limits: defaultLimits,
    idCheck: 'test',
    logger: silentLogger,
    clock: clock.now,
  });
  await open();
  // As after the first watch: the mailbox is ours from now on, and the cursor stands at its present.
  await worker.mailboxes.update(MAILBOX, () => ({ ...newMailbox(clock.now()), historyId: current() }));
});
afterEach(async () => {
  await server.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const current = (): string => String(mailbox.historyId());
const cursor = async (): Promise<string | null | undefined> => (await worker.mailboxes.read(MAILBOX))?.historyId;
/** What the next cursor will be. */
const reached = async (): Promise<string | null | undefined> => {
  const state = await worker.mailboxes.read(MAILBOX);
  return state?.reached?.historyId ?? state?.historyId;
};
const push = (historyId = current()) => worker.push(historyId);
const callsOf = (method: GmailCall['method']): GmailCall[] => server.calls.filter((call) => call.method === method);
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'none',
    (error) => error.code,
  );

/** A look without a push, as the keeper asks for it. */
async function poll() {
  const [event] = prepared([pollEvent(MAILBOX, clock.now(), clock.now(), { identifier, tenant: TENANT })]);
  return event && worker.read(event);
}

describe('a push', () => {
  test('accepts what came since the cursor, and only then moves on', async () => {
    const before = await cursor();
    const ids = [mailbox.deliver().id, mailbox.deliver().id];
    let during: unknown;
    await worker.push(current(), async (events) => {
      during = await reached();
      await worker.accept(events);
    });
    expect(await worker.accepted()).toEqual(ids.sort());
    expect([during, await reached()]).toEqual([before, current()]);
  });

  test('moves the cursor five minutes behind what was read, and reads the rest again without accepting it again', async () => {
    const start = await cursor();
    const first = mailbox.deliver();
    await push();
    const there = current();
    clock.advance(5 * MINUTE - 1);
    const second = mailbox.deliver();
    let taken = 0;
    await worker.push(current(), async (events) => {
      taken += events.length;
      await worker.accept(events);
    });
    expect([await cursor(), taken]).toEqual([start, 1]);
    clock.advance(1);
    await push();
    expect(await cursor()).toBe(there);
    expect(await worker.accepted()).toEqual([first.id, second.id].sort());
  });

  test('asks from our cursor and never from the id it brings, which would list nothing', async () => {
    const start = await cursor();
    mailbox.deliver();
    await push();
    expect(callsOf('history.list').map(({ query }) => query.get('startHistoryId'))).toEqual([start]);
  });

  test('reads every page from the same start', async () => {
    await open({ pageSize: 2 });
    const start = current();
    await worker.mailboxes.update(MAILBOX, () => ({ ...newMailbox(clock.now()), historyId: start }));
    const ids = Array.from({ length: 5 }, () => mailbox.deliver().id);
    await push();
    expect(await worker.accepted()).toEqual(ids.sort());
    expect(callsOf('history.list').map(({ query }) => query.get('startHistoryId'))).toEqual([start, start, start]);
    expect(await reached()).toBe(current());
  });

  test('that is old, repeated or in the wrong order is handled and moves nothing back', async () => {
    const old = current();
    mailbox.deliver();
    await push();
    const at = await cursor();
    for (const historyId of [old, current(), '1', old]) expect(await push(historyId)).toEqual({ kind: 'handled' });
    expect(await cursor()).toBe(at);
    expect(await worker.accepted()).toHaveLength(1);
    expect(worker.pauses).toEqual([]);
  });

  test('that says nothing new still looks once: being told the same id is no proof of having read everything', async () => {
    const { id } = mailbox.deliver();
    await worker.push((await cursor()) ?? '');
    expect(await worker.accepted()).toEqual([id]);
  });

  test('from the future is not where we go on from', async () => {
    mailbox.deliver();
    await push(String(mailbox.historyId() + 1_000_000n));
    expect(await reached()).toBe(current());
  });

  test.each([
    ['9', '10'],
    ['9007199254740992', '9007199254740993'],
    ['9999999999999999999', '10000000000000000000'],
  ])('knows %s to be earlier than %s', (earlier, greater) => {
    expect([later(earlier, greater), later(greater, earlier), later(null, earlier)]).toEqual([
      greater,
      greater,
      earlier,
    ]);
  });

  test('brings no events for drafts, sent mail and chats', async () => {
    for (const label of ['DRAFT', 'SENT', 'CHAT']) mailbox.deliver({ labels: [label] });
    const { id } = mailbox.deliver({ labels: ['INBOX'] });
    await push();
    expect(await worker.accepted()).toEqual([id]);
  });

  test('accepts a message once, however often the history names it', async () => {
    const { id } = mailbox.deliver();
    await push();
    mailbox.touch(id);
    await push();
    await worker.mailboxes.update(MAILBOX, (state) => ({ ...(state ?? newMailbox(0)), recent: [] }));
    await push();
    const { events } = await store.events.list(TENANT, { limit: 10 });
    expect(events.map(({ event, deliveries }) => [event.kind, deliveries])).toEqual([['message', 2]]);
  });
});

describe('a crash', () => {
  test('between accepting and moving the cursor loses nothing and runs nothing twice', async () => {
    const ids = [mailbox.deliver().id, mailbox.deliver().id];
    const start = await cursor();
    const dying: GmailWorker = openGmailWorker({
      store,
      url: server.url,
      clock,
      overrides: {
        mailboxes: {
          ...worker.mailboxes,
          // Dies with the write that moves the cursor.
          update: (name, change) =>
            worker.mailboxes.update(name, (state) => {
              const next = change(state);
              if (next.syncedAt !== state?.syncedAt) throw new Error('killed');
              return next;
            }),
        },
      },
    });
    await expect(dying.push(current())).rejects.toThrow('killed');
    expect([await reached(), (await worker.accepted()).length]).toEqual([start, 2]);
    await push();
    expect(await worker.accepted()).toEqual(ids.sort());
    expect(await reached()).toBe(current());
  });

  test('between two pages begins again from the same cursor', async () => {
    await open({ pageSize: 2 });
    await worker.mailboxes.update(MAILBOX, () => ({ ...newMailbox(clock.now()), historyId: current() }));
    const ids = Array.from({ length: 5 }, () => mailbox.deliver().id);
    let pages = 0;
    fault = ({ method }) => {
      if (method === 'history.list') pages += 1;
      return pages === 2 ? 503 : undefined;
    };
    expect(await codeOf(push())).toBe('ERR_SOURCE_UNAVAILABLE');
    expect(await worker.accepted()).toHaveLength(2);
    await push();
    expect(await worker.accepted()).toEqual(ids.sort());
  });

  test('of the store while it accepts leaves the cursor where it was', async () => {
    mailbox.deliver();
    const start = await cursor();
    const full = async (): Promise<void> => {
      throw Object.assign(new Error('full'), { code: 'ERR_QUEUE_FULL' });
    };
    expect(await codeOf(worker.push(current(), full))).toBe('ERR_QUEUE_FULL');
    expect(await cursor()).toBe(start);
  });
});

describe('an index that lags behind', () => {
  test('is asked again until it shows what the push spoke of', async () => {
    lagMs = 2_500;
    const { id } = mailbox.deliver();
    await push();
    expect(worker.pauses).toEqual([1_000, 2_000]);
    expect(await worker.accepted()).toEqual([id]);
  });

  test('does not move the cursor over what it has not shown, even when it names a later id', async () => {
    lagMs = 30_000;
    const start = await cursor();
    const { id } = mailbox.deliver();
    await push();
    expect(worker.pauses).toEqual([1_000, 2_000, 4_000]);
    expect([await worker.accepted(), await cursor()]).toEqual([[], start]);
    clock.advance(MINUTE);
    await poll();
    expect([await worker.accepted(), await cursor()]).toEqual([[id], start]);
    clock.advance(4 * MINUTE);
    await poll();
    expect(await cursor()).toBe(current());
  });

  test('that shows the first of two messages after the second has both accepted', async () => {
    lagMs = 3 * MINUTE;
    const first = mailbox.deliver();
    lagMs = 0;
    const second = mailbox.deliver();
    await push();
    expect(await worker.accepted()).toEqual([second.id]);
    clock.advance(10 * MINUTE);
    await poll();
    expect(await worker.accepted()).toEqual([first.id, second.id].sort());
  });

  test('that shows the second of two messages late has both accepted', async () => {
    const first = mailbox.deliver();
    lagMs = 30_000;
    const second = mailbox.deliver();
    await push();
    expect(await worker.accepted()).toEqual([first.id]);
    clock.advance(MINUTE);
    await poll();
    expect(await worker.accepted()).toEqual([first.id, second.id].sort());
  });

  test('is not waited for again by pushes that say no more than the one before', async () => {
    lagMs = 30_000;
    mailbox.deliver();
    await push();
    const waited = worker.pauses.length;
    await push();
    expect(worker.pauses).toHaveLength(waited);
  });

  test('is believed after five minutes, so that ids without records do not hold the cursor until it expires', async () => {
    mailbox.skip(100);
    await poll();
    const start = await cursor();
    clock.advance(4 * MINUTE);
    await poll();
    expect(await cursor()).toBe(start);
    clock.advance(MINUTE);
    await poll();
    expect(await cursor()).toBe(current());
  });
});

describe('a cursor that is too old', () => {
  const expire = (): void => {
    mailbox.touch(mailbox.deliver({ labels: ['DRAFT'] }).id);
    clock.advance(8 * DAY);
  };

  test('is replaced after the mailbox was listed anew, and the gap is recorded', async () => {
    const lost = mailbox.deliver();
    const from = await cursor();
    expire();
    const { id } = mailbox.deliver();
    await push();
    expect(await worker.accepted()).toEqual([id, lost.id].sort());
    const state = await worker.mailboxes.read(MAILBOX);
    expect(state?.historyId).toBe(current());
    expect(state?.gaps).toEqual([{ at: clock.now(), from, to: current(), listed: 2 }]);
  });

  test('asks for the present id before it lists, so that what arrives meanwhile is in the history after it', async () => {
    expire();
    let late: string | undefined;
    fault = ({ method }) => {
      // Arrives between the two calls, too late for a list that was already read.
      if (method === 'messages.list' && late === undefined) late = 'pending';
      else if (method === 'messages.list' && late === 'pending') late = mailbox.deliver().id;
      return undefined;
    };
    searchLagMs = DAY;
    await push();
    const methods = server.calls.map(({ method }) => method);
    expect(methods.indexOf('getProfile')).toBeLessThan(methods.indexOf('messages.list'));
    expect(await worker.accepted()).toEqual([]);
    await push();
    expect(await worker.accepted()).toEqual([late]);
  });

  test('lists what came just before once more, because that list may lag as well', async () => {
    expire();
    searchLagMs = 5_000;
    const { id } = mailbox.deliver();
    await push();
    expect(await worker.accepted()).toContain(id);
  });

  test('reaches back to when the mailbox became ours, and 30 days at most', async () => {
    const since = async (): Promise<number> => {
      await push();
      const q = callsOf('messages.list')[0]?.query.get('q') ?? '';
      return 1000 * Number(/after:(\d+)/.exec(q)?.[1]);
    };
    /** Whole seconds, and one more because `after:` leaves out the second it names. */
    const isJustBefore = (at: number, limit: number): boolean => at < limit && limit - at <= 2_000;
    const startedAt = clock.now();
    expire();
    expect(isJustBefore(await since(), startedAt)).toBe(true);
    await open();
    clock.advance(60 * DAY);
    await worker.mailboxes.update(MAILBOX, (state) => ({ ...(state ?? newMailbox(0)), historyId: '1' }));
    const limit = clock.now() - 30 * DAY;
    expect(isJustBefore(await since(), limit)).toBe(true);
  });

  test('is replaced even by a lower id, because a mailbox may have been restored', async () => {
    const beyond = String(mailbox.historyId() + 10n ** 12n);
    await worker.mailboxes.update(MAILBOX, (state) => ({ ...(state ?? newMailbox(0)), historyId: beyond }));
    const { id } = mailbox.deliver();
    await push();
    expect([await cursor(), await worker.accepted()]).toEqual([current(), [id]]);
  });

  test('reads a list of many pages to its end', async () => {
    await open({ pageSize: 2 });
    const ids = Array.from({ length: 5 }, () => mailbox.deliver().id);
    await worker.mailboxes.update(MAILBOX, (state) => ({ ...(state ?? newMailbox(0)), historyId: '1' }));
    clock.advance(8 * DAY);
    await push();
    expect(await worker.accepted()).toEqual(ids.sort());
  });
});

describe('a mailbox without a cursor', () => {
  test('begins with its first push: shortly before it, not with everything there ever was', async () => {
    const revision = (await store.records.get(TENANT, 'gmail-mailboxes', MAILBOX))?.revision ?? 0;
    await store.records.compareAndSet(TENANT, 'gmail-mailboxes', MAILBOX, revision, null);
    mailbox.deliver({ at: clock.now() - DAY });
    const { id } = mailbox.deliver();
    await push();
    expect(await worker.accepted()).toEqual([id]);
    expect(await worker.mailboxes.read(MAILBOX)).toMatchObject({ historyId: current(), gaps: [] });
  });
});

describe('two workers on one mailbox', () => {
  test('do not read it at once: the second one comes back later', async () => {
    mailbox.deliver();
    let second: unknown;
    await worker.push(current(), async (events) => {
      second = await codeOf(openGmailWorker({ store, url: server.url, clock }).push(current()));
      await worker.accept(events);
    });
    expect(second).toBe('ERR_SOURCE_UNAVAILABLE');
    expect(await codeOf(push())).toBe('none');
  });

  test('of which one lost its lease: it stops before the next page, and the cursor keeps the greater id', async () => {
    await open({ pageSize: 1 });
    await worker.mailboxes.update(MAILBOX, () => ({ ...newMailbox(clock.now()), historyId: current() }));
    const ids = [mailbox.deliver().id, mailbox.deliver().id];
    const slow = async (events: readonly ParsedEvent[]): Promise<void> => {
      await worker.accept(events);
      // Longer than the lease lives: another worker reads the mailbox to its end.
      clock.advance(2 * MINUTE);
      await openGmailWorker({ store, url: server.url, clock }).push(current());
    };
    expect(await codeOf(worker.push(current(), slow))).toBe('ERR_SOURCE_UNAVAILABLE');
    expect([await reached(), await worker.accepted()]).toEqual([current(), ids.sort()]);
  });
});

describe('what Gmail refuses', () => {
  test.each([401, 403, 429, 500, 503, 'reset', 'lost-answer'] as const)('%s is tried again', async (kind) => {
    fault = () => kind;
    expect(await codeOf(push())).toBe('ERR_SOURCE_UNAVAILABLE');
  });

  test('a call without an answer is given up on', async () => {
    fault = () => 'timeout';
    worker = openGmailWorker({ store, url: server.url, clock, timeoutMs: 50 });
    expect(await codeOf(push())).toBe('ERR_SOURCE_UNAVAILABLE');
  });

  test('a poll that fails is not parked: the next one comes by itself', async () => {
    fault = () => 503;
    expect(await poll()).toEqual({ kind: 'ignored', reason: 'source_unavailable' });
  });

  test('is never repeated by the client library: retries belong to the queue', async () => {
    fault = () => 503;
    await codeOf(push());
    expect(server.calls).toHaveLength(1);
  });

  test('says nothing of the request, its token or the text of its answer', async () => {
    fault = () => ({ status: 401, reason: 'authError', message: 'no such c4n4ry' });
    const error = await push().catch((thrown: unknown) => thrown);
    const text = `${String(error)} ${(error as Error).stack} ${JSON.stringify(error)} ${String((error as Error).cause)}`;
    expect(text).not.toMatch(/user@example|127\.0\.0\.1|c4n4ry/);
    expect(text).toContain('authError');
  });
});
