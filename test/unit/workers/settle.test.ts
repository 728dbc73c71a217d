import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Replier, SendContext } from '../../../src/channels/channel.ts';
import type { ChannelModule } from '../../../src/channels/module.ts';
import { channelModules } from '../../../src/channels/registry.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { START_MS, settleMs, type VendorTiming } from '../../../src/core/reply-timing.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import { ReplyUnsettled, replyOnce } from '../../../src/workers/attempt/reply-once.ts';
import { takeHead } from '../../contracts/harness.ts';
import { createFakeClock, type FakeClock } from '../../support/clock.ts';
import { conversationOf, createEventMaker } from '../../support/events.ts';

/** An absent reply counts as not posted only when it is settled, and a call starts only while its intent is fresh. */

let clock: FakeClock;
let folder: string;
let store: Store;
beforeEach(async () => {
  clock = createFakeClock();
  folder = await mkdtemp(join(tmpdir(), 'sallyport-settle-'));
  const path = join(folder, 'store.db');
  store = await openEmbeddedStore({
    path,
    limits: defaultLimits,
    idCheck: 'x',
    logger: silentLogger,
    clock: clock.now,
  });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const posts = async (context: SendContext): Promise<{ kind: 'delivered' }> => {
  const { fence } = await context.begin();
  fence();
  return { kind: 'delivered' };
};

interface Attempt {
  /** The channel and what is assumed of its vendor. */
  readonly channel?: string;
  readonly timing?: VendorTiming | undefined;
  readonly timeoutMs?: number;
  readonly send?: (context: SendContext) => ReturnType<Replier['send']>;
  /** The worker's wall clock, where it is not the store's. */
  readonly wall?: () => number;
  readonly find?: Replier['find'];
  readonly restoredAtMs?: number;
}

/** An event under a lease, and attempts to reply to it. */
async function open({ channel = 'slack', timing, timeoutMs = 10_000 }: Attempt = {}) {
  const event = createEventMaker(clock.now)({ channel });
  await store.inbox.accept([event]);
  const { record, lease } = await takeHead(store, conversationOf(event));
  let sent = 0;
  const attempt = async (options: Attempt = {}) => {
    const { send = posts, wall = clock.now, timeoutMs: limit = timeoutMs, restoredAtMs } = options;
    const steps = await store.journal.replay(lease);
    const replier: Replier = {
      ...(timing && { timing }),
      async send(_, context) {
        const result = await send(context);
        sent += 1;
        return result;
      },
      find: options.find ?? (async () => 'absent'),
    };
    const task = { record, lease, step: 'reply', text: 'hi', signal: new AbortController().signal } as const;
    return replyOnce(
      { ...task, earlier: (step) => steps.get(step) },
      { journal: store.journal, replier, timeoutMs: limit, clock: wall, restoredAtMs },
    );
  };
  const entry = async () => (await store.journal.replay(lease)).get('reply')?.kind;
  return { lease, attempt, entry, sent: () => sent };
}

describe('a reply that the vendor does not show', () => {
  const modules: readonly ChannelModule[] = channelModules;
  const cases = modules.flatMap(({ name: channel, timing }) =>
    [100, 10_000, 600_000].map((timeoutMs) => ({ channel, timing, timeoutMs })),
  );

  it.each(cases)('is posted again when it is settled and not before: $channel, $timeoutMs ms', async (options) => {
    const { lease, attempt, sent } = await open(options);
    await store.journal.record(lease, 'reply', { kind: 'intent', value: { text: 'hi' } }, 3_600_000);
    const settled = settleMs(options.timeoutMs, options.timing);
    expect(settled).toBeGreaterThan(START_MS + options.timeoutMs);
    clock.advance(settled - 1);
    const error = await attempt().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ReplyUnsettled);
    expect(error).toMatchObject({ code: 'ERR_REPLY_UNCONFIRMED', waitMs: 1 });
    expect(sent()).toBe(0);
    clock.advance(1);
    expect(await attempt()).toMatchObject({ state: 'delivered' });
    expect(sent()).toBe(1);
  });

  it('is settled by the time limit its call was given, where that was longer', async () => {
    const { lease, attempt, entry } = await open({ timeoutMs: 60_000 });
    const lost = async (context: SendContext) => {
      await context.begin();
      return { kind: 'ambiguous' } as const;
    };
    await expect(attempt({ send: lost })).rejects.toMatchObject({ code: 'ERR_REPLY_UNCONFIRMED' });
    expect(await entry()).toBe('intent');
    const shorter = 10_000;
    await expect(attempt({ timeoutMs: shorter })).rejects.toMatchObject({ waitMs: settleMs(60_000) });
    expect((await store.journal.replay(lease)).get('reply')?.value).toMatchObject({ text: 'hi' });
  });

  it("is as old as the store's clock says, whatever the worker's says", async () => {
    const { lease, attempt } = await open();
    await store.journal.record(lease, 'reply', { kind: 'intent', value: { text: 'hi' } }, 3_600_000);
    for (const aheadMs of [-3_600_000, 10_000, 3_600_000]) {
      await expect(attempt({ wall: () => clock.now() + aheadMs })).rejects.toMatchObject({ waitMs: 20_000 });
    }
  });
});

describe('after a restore, a reply to what was received before it', () => {
  const found = async () => 'delivered' as const;
  const isUnknown = async () => 'unknown' as const;

  it.each(['nothing', 'intent', 'refused'] as const)('is asked about, though the journal has %s', async (kind) => {
    const { lease, attempt, entry, sent } = await open();
    if (kind !== 'nothing') await store.journal.record(lease, 'reply', { kind, value: { text: 'hi' } }, 3_600_000);
    clock.advance(60_000);
    expect(await attempt({ find: found, restoredAtMs: clock.now() })).toMatchObject({ state: 'delivered' });
    expect([sent(), await entry()]).toEqual([0, 'result']);
  });

  it('is looked for since the event was received, and posted once it can have been posted by nobody else', async () => {
    const { attempt, sent } = await open();
    const receivedAt = clock.now();
    clock.advance(3_600_000);
    const restoredAtMs = clock.now();
    const asked: number[] = [];
    const find: Replier['find'] = async (_, sinceMs) => {
      asked.push(sinceMs);
      return 'absent';
    };
    clock.advance(settleMs(10_000) - 1);
    await expect(attempt({ find, restoredAtMs })).rejects.toMatchObject({ waitMs: 1 });
    clock.advance(1);
    expect(await attempt({ find, restoredAtMs })).toMatchObject({ state: 'delivered' });
    expect([sent(), asked]).toEqual([1, [receivedAt, receivedAt]]);
  });

  it('is parked where the vendor cannot be asked', async () => {
    const { attempt, sent } = await open();
    clock.advance(60_000);
    const restored = { find: isUnknown, restoredAtMs: clock.now() };
    await expect(attempt(restored)).rejects.toMatchObject({ code: 'ERR_AMBIGUOUS_EFFECT' });
    expect(sent()).toBe(0);
  });

  it('is not asked about where this store refused it itself, or the event came later', async () => {
    const { lease, attempt, sent } = await open();
    const restoredAtMs = clock.now();
    clock.advance(1);
    await store.journal.record(lease, 'reply', { kind: 'refused', value: { text: 'hi' } }, 3_600_000);
    expect(await attempt({ find: isUnknown, restoredAtMs })).toMatchObject({ state: 'delivered' });
    expect(sent()).toBe(1);
    const later = await open();
    expect(await later.attempt({ find: isUnknown, restoredAtMs })).toMatchObject({ state: 'delivered' });
  });
});

describe('a call that posts a reply', () => {
  it('starts up to two seconds after its intent', async () => {
    const { attempt, entry } = await open();
    const late = async (context: SendContext): Promise<{ kind: 'delivered' }> => {
      const { fence } = await context.begin();
      clock.advance(START_MS);
      fence();
      return { kind: 'delivered' };
    };
    expect(await attempt({ send: late })).toMatchObject({ state: 'delivered' });
    expect(await entry()).toBe('result');
  });

  const refusedBy = (answer: () => ReturnType<Replier['send']>) => async (context: SendContext) => {
    const { fence } = await context.begin();
    clock.advance(START_MS + 1);
    try {
      fence();
    } catch {
      // As the clients of vendors do, which wrap what their `fetch` throws.
      return answer();
    }
    return { kind: 'delivered' } as const;
  };

  it.each([
    ['reports an ambiguous result', async () => ({ kind: 'ambiguous' }) as const],
    ['throws an error of its own', () => Promise.reject(new TypeError('fetch failed'))],
  ] as const)('is refused after that, and nothing was posted although the channel %s', async (_, answer) => {
    const { attempt, entry } = await open();
    await expect(attempt({ send: refusedBy(answer) })).rejects.toMatchObject({ code: 'ERR_REPLY_UNAVAILABLE' });
    expect(await entry()).toBe('refused');
    // No question and no wait: the next attempt posts at once.
    expect(await attempt()).toMatchObject({ state: 'delivered' });
  });

  it('is refused when the wall clock jumped meanwhile, as it does when a machine was suspended', async () => {
    const { attempt } = await open();
    let aheadMs = 0;
    const suspended = async (context: SendContext) => {
      const { fence } = await context.begin();
      aheadMs = 60_000;
      fence();
      return { kind: 'delivered' } as const;
    };
    const wall = () => clock.now() + aheadMs;
    await expect(attempt({ send: suspended, wall })).rejects.toMatchObject({ code: 'ERR_REPLY_UNAVAILABLE' });
  });

  it('that fails in a way no vendor answers may have posted, and is asked about', async () => {
    const { attempt, entry } = await open();
    const broken = async (context: SendContext) => {
      const { fence } = await context.begin();
      fence();
      throw new TypeError('cannot read properties of undefined');
    };
    await expect(attempt({ send: broken })).rejects.toMatchObject({ code: 'ERR_REPLY_UNCONFIRMED' });
    expect(await entry()).toBe('intent');
  });

  it('that never began has posted nothing, and leaves no intent', async () => {
    const { attempt, entry } = await open();
    expect(await attempt({ send: async () => ({ kind: 'unsent' }) })).toMatchObject({ state: 'unsent' });
    expect(await entry()).toBeUndefined();
    const broken = () => Promise.reject(new TypeError('no destination'));
    await expect(attempt({ send: broken })).rejects.toBeInstanceOf(TypeError);
    expect(await entry()).toBe('refused');
  });

  it('may not report a delivery it did not announce', async () => {
    const { attempt, entry } = await open();
    await expect(attempt({ send: async () => ({ kind: 'delivered' }) })).rejects.toThrow('without its intent');
    expect(await entry()).toBeUndefined();
  });
});
