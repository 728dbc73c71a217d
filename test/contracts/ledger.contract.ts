import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Amounts, type ScopeKind, scopeKinds } from '../../src/core/budget.ts';
import {
  type AccountLimit,
  accountLimits,
  type Ledger,
  type Reservation,
  type ReserveRequest,
  type Spender,
  windowAt,
} from '../../src/queue/ledger.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import type { StoreHarness } from './harness.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const TTL_MS = 60_000;

const day = (max: AccountLimit['max'], overrides: Partial<AccountLimit> = {}): AccountLimit => ({
  scope: 'tenant',
  account: 'acme',
  resource: 'usdMicros',
  window: 'day',
  max,
  ...overrides,
});

/** What every store promises about counting what runs may use. */
export function ledgerContract(name: string, harness: StoreHarness): void {
  describe(`${name} ledger`, () => {
    let clock: FakeClock;
    let store: Store;
    let ledger: Ledger;
    beforeEach(async () => {
      // 2030-03-17T17:46:40Z
      clock = createFakeClock();
      store = await harness.open({ clock: clock.now });
      ledger = store.ledger;
    });
    afterEach(() => harness.cleanup());

    const request = (
      amounts: Amounts,
      limits: readonly AccountLimit[],
      overrides: Partial<ReserveRequest> = {},
    ): ReserveRequest => ({ id: randomUUID(), tenant: 'acme', amounts, limits, ttlMs: TTL_MS, ...overrides });

    async function hold(amounts: Amounts, limits: readonly AccountLimit[], ttlMs = TTL_MS): Promise<Reservation> {
      const answer = await ledger.reserve(request(amounts, limits, { ttlMs }));
      if (answer.kind !== 'reserved') throw new Error(`expected a reservation, got ${answer.kind}`);
      return answer.reservation;
    }
    const kindOf = async (amounts: Amounts, limits: readonly AccountLimit[]): Promise<string> =>
      (await ledger.reserve(request(amounts, limits))).kind;
    const useOf = async (limit: AccountLimit) => (await ledger.usage([limit]))[0];

    it('ends its windows where the UTC calendar does, whatever the time', async () => {
      let now = 0;
      const timed = await harness.open({ clock: () => now });
      const windows = ['hour', 'day', 'month', 'run'] as const;
      const limits = windows.map(
        (window) => ({ scope: 'tenant', account: 'acme', resource: 'tokens', window, max: 1 }) as const,
      );
      const [from, to] = [Date.UTC(1999, 11, 31), Date.UTC(2101, 2, 2)];
      const edges = [Date.UTC(2000, 1, 29), Date.UTC(2024, 1, 29), Date.UTC(2100, 1, 28), Date.UTC(2027, 0, 1)];
      const times = fc.oneof(
        fc.integer({ min: from, max: to }),
        fc.tuple(fc.constantFrom(...edges), fc.integer({ min: -2, max: 2 })).map(([edge, off]) => edge + off),
      );
      await fc.assert(
        fc.asyncProperty(times, async (time) => {
          now = time;
          const uses = await timed.ledger.usage(limits);
          expect(uses.map(({ resetsAt }) => resetsAt)).toEqual(windows.map((window) => windowAt(window, time).endsAt));
        }),
        { numRuns: 200 },
      );
    });

    it('has used nothing at first', async () => {
      expect(await useOf(day(10))).toMatchObject({ spent: 0, reserved: 0 });
    });

    it('reserves the worst case and settles what was used', async () => {
      const held = await hold({ usdMicros: 60 }, [day(100)]);
      expect(await useOf(day(100))).toMatchObject({ spent: 0, reserved: 60 });
      expect(await ledger.settle(held, { usdMicros: 25 })).toEqual({ isLate: false, warnings: [] });
      expect(await useOf(day(100))).toMatchObject({ spent: 25, reserved: 0 });
    });

    it('allows up to the limit and not one more', async () => {
      await hold({ usdMicros: 99 }, [day(100)]);
      expect(await kindOf({ usdMicros: 2 }, [day(100)])).toBe('exhausted');
      expect(await kindOf({ usdMicros: 1 }, [day(100)])).toBe('reserved');
      expect(await kindOf({ usdMicros: 1 }, [day(100)])).toBe('exhausted');
    });

    it('allows nothing under a limit of 0', async () => {
      expect(await kindOf({ usdMicros: 1 }, [day(0)])).toBe('exhausted');
      expect(await kindOf({ usdMicros: 0 }, [day(0)])).toBe('reserved');
    });

    it('says which limit does not allow it and when its window ends', async () => {
      const user = day(5, { scope: 'user', account: 'u', resource: 'modelCalls', window: 'hour' });
      const answer = await ledger.reserve(request({ usdMicros: 1, modelCalls: 6 }, [day(100), user]));
      expect(answer).toMatchObject({ kind: 'exhausted', limit: user, mayFree: false, isNews: false });
      expect(answer).toMatchObject({ resetsAt: Date.UTC(2030, 2, 17, 18) });
    });

    it('reserves under every limit or under none', async () => {
      const narrow = day(1, { scope: 'user', account: 'u' });
      expect(await kindOf({ usdMicros: 2 }, [day(100), narrow])).toBe('exhausted');
      expect(await useOf(day(100))).toMatchObject({ spent: 0, reserved: 0 });
    });

    it('counts every scope, resource and window for itself', async () => {
      const scopes = ['global', 'tenant', 'channel', 'user', 'conversation'] as const;
      const limits = [
        ...scopes.flatMap((scope) =>
          (['hour', 'day', 'month'] as const).map((window) => day(1_000, { scope, window, account: `of ${scope}` })),
        ),
        ...(['usdMicros', 'tokens', 'modelCalls', 'toolCalls', 'runs', 'seconds'] as const).map((resource) =>
          day(1_000, { scope: 'run', window: 'run', account: 'ev:1', resource }),
        ),
      ];
      const amounts = { usdMicros: 6, tokens: 5, modelCalls: 4, toolCalls: 3, runs: 2, seconds: 1 };
      const held = await hold(amounts, limits);
      expect(await ledger.usage(limits)).toMatchObject(
        limits.map(({ resource }) => ({ spent: 0, reserved: amounts[resource] })),
      );
      await ledger.settle(held, { ...amounts, usdMicros: 1 });
      expect(await ledger.usage(limits)).toMatchObject(
        limits.map(({ resource }) => ({ spent: resource === 'usdMicros' ? 1 : amounts[resource], reserved: 0 })),
      );
    });

    it('keeps accounts apart that would read the same once joined', async () => {
      const [one, other] = [day(1, { scope: 'user', account: 'a:day' }), day(1, { scope: 'user', account: 'a' })];
      await hold({ usdMicros: 1 }, [one]);
      expect(await kindOf({ usdMicros: 1 }, [other])).toBe('reserved');
      expect(await kindOf({ usdMicros: 1 }, [one])).toBe('exhausted');
    });

    it('counts what is unlimited and never refuses it', async () => {
      const free = day('unlimited');
      for (let n = 0; n < 3; n += 1) await ledger.settle(await hold({ usdMicros: 1e12 }, [free]), { usdMicros: 1e12 });
      expect(await useOf(free)).toMatchObject({ spent: 3e12, reserved: 0 });
    });

    it('passes over limits that no amount stands against', async () => {
      const held = await hold({ tokens: 1 }, [day(0)]);
      expect(await ledger.settle(held, { tokens: 1 })).toEqual({ isLate: false, warnings: [] });
      expect(await useOf(day(0))).toMatchObject({ spent: 0, reserved: 0 });
    });

    it('reserves once when the same request comes again', async () => {
      const same = request({ usdMicros: 60 }, [day(100)]);
      expect(await ledger.reserve(same)).toEqual(await ledger.reserve(same));
      expect(await useOf(day(100))).toMatchObject({ reserved: 60 });
    });

    it('spends in full what is not named when it is settled', async () => {
      const tokens = day(100, { resource: 'tokens' });
      const held = await hold({ usdMicros: 60, tokens: 40 }, [day(100), tokens]);
      await ledger.settle(held, { tokens: 10 });
      expect(await ledger.usage([day(100), tokens])).toMatchObject([{ spent: 60 }, { spent: 10 }]);
    });

    it.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY])(
      'spends in full when %d was reported',
      async (reported) => {
        await ledger.settle(await hold({ usdMicros: 60 }, [day(100)]), { usdMicros: reported });
        expect(await useOf(day(100))).toMatchObject({ spent: 60, reserved: 0 });
      },
    );

    it('books more than was reserved, because it is spent, and refuses what follows', async () => {
      await ledger.settle(await hold({ usdMicros: 60 }, [day(100)]), { usdMicros: 150 });
      expect(await useOf(day(100))).toMatchObject({ spent: 150, reserved: 0 });
      expect(await kindOf({ usdMicros: 1 }, [day(100)])).toBe('exhausted');
    });

    it('settles once', async () => {
      const held = await hold({ usdMicros: 60 }, [day(100)]);
      await ledger.settle(held, { usdMicros: 10 });
      expect(await ledger.settle(held, { usdMicros: 50 })).toMatchObject({ isLate: true });
      expect(await useOf(day(100))).toMatchObject({ spent: 10, reserved: 0 });
    });

    it('lets one of many win the last of a limit, over all handles', async () => {
      const other = await harness.reopen(store);
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          (i % 2 ? ledger : other.ledger).reserve(request({ usdMicros: 30 }, [day(100)])),
        ),
      );
      expect(answers.filter(({ kind }) => kind === 'reserved')).toHaveLength(3);
      expect(await useOf(day(100))).toMatchObject({ spent: 0, reserved: 90 });
    });

    describe('time', () => {
      it('spends the worst case of a reservation whose time is over, whoever looks next', async () => {
        await hold({ usdMicros: 60 }, [day(100)]);
        clock.advance(TTL_MS);
        const other = await harness.reopen(store);
        expect((await other.ledger.usage([day(100)]))[0]).toMatchObject({ spent: 60, reserved: 0 });
      });

      it('changes nothing when it is settled late, looked at in between or not', async () => {
        const unseen = await hold({ usdMicros: 40 }, [day(100)]);
        clock.advance(TTL_MS);
        expect(await ledger.settle(unseen, { usdMicros: 1 })).toEqual({ isLate: true, warnings: [] });
        const seen = await hold({ usdMicros: 20 }, [day(100)]);
        clock.advance(TTL_MS);
        await ledger.killed();
        expect(await ledger.settle(seen, { usdMicros: 1 })).toEqual({ isLate: true, warnings: [] });
        expect(await useOf(day(100))).toMatchObject({ spent: 60, reserved: 0 });
      });

      it('settles one whose time is not quite over', async () => {
        const held = await hold({ usdMicros: 40 }, [day(100)]);
        clock.advance(TTL_MS - 1);
        expect(await ledger.settle(held, { usdMicros: 1 })).toMatchObject({ isLate: false });
      });

      it('leaves nothing reserved, however many died', async () => {
        const many = day(10_000_000);
        await Promise.all(Array.from({ length: 1_200 }, () => hold({ usdMicros: 1 }, [many])));
        clock.advance(TTL_MS);
        expect(await useOf(many)).toMatchObject({ spent: 1_200, reserved: 0 });
      });

      it('asking for kill switches spends what is over, some each time', async () => {
        const many = day(1_000);
        await Promise.all(Array.from({ length: 300 }, () => hold({ usdMicros: 1 }, [many])));
        clock.advance(TTL_MS);
        for (let n = 0; n < 3; n += 1) await ledger.killed();
        // Another clock's view: nothing is over for it, so only what was swept before shows as spent.
        clock.advance(-TTL_MS);
        expect(await useOf(many)).toMatchObject({ spent: 300, reserved: 0 });
      });

      it.each([
        ['hour', Date.UTC(2030, 2, 17, 18)],
        ['day', Date.UTC(2030, 2, 18)],
        ['month', Date.UTC(2030, 3, 1)],
      ] as const)('begins a new %s when the old one ends, by the UTC calendar', async (window, endsAt) => {
        const limit = day(100, { window });
        await hold({ usdMicros: 100 }, [limit]);
        expect(await useOf(limit)).toMatchObject({ resetsAt: endsAt });
        clock.advance(endsAt - 1 - clock.now());
        expect(await kindOf({ usdMicros: 1 }, [limit])).toBe('exhausted');
        clock.advance(1);
        expect(await kindOf({ usdMicros: 100 }, [limit])).toBe('reserved');
      });

      it.each([
        ['2028-02-29T23:59:59.999Z', '2028-03-01'],
        ['2030-02-28T12:00:00.000Z', '2030-03-01'],
        ['2030-12-31T23:59:59.999Z', '2031-01-01'],
        ['2031-01-01T00:00:00.000Z', '2031-02-01'],
        ['2100-02-28T00:00:00.000Z', '2100-03-01'],
        ['2000-02-29T00:00:00.000Z', '2000-03-01'],
      ])('knows that the month of %s ends on %s', async (at, endsAt) => {
        clock.advance(Date.parse(at) - clock.now());
        expect(await useOf(day(1, { window: 'month' }))).toMatchObject({ resetsAt: Date.parse(endsAt) });
      });

      it('settles a reservation in the window it was made in', async () => {
        const limit = day(100, { window: 'hour' });
        clock.advance(HOUR_MS - (clock.now() % HOUR_MS) - 10);
        const held = await hold({ usdMicros: 60 }, [limit]);
        clock.advance(20);
        await ledger.settle(held, { usdMicros: 10 });
        expect(await useOf(limit)).toMatchObject({ spent: 0, reserved: 0 });
        clock.advance(-20);
        expect(await useOf(limit)).toMatchObject({ spent: 10, reserved: 0 });
      });

      it('has no end for a run, as long as its event may be attempted', async () => {
        const limit = day(5, { scope: 'run', account: 'ev_1:1', window: 'run', resource: 'modelCalls' });
        await hold({ modelCalls: 5 }, [limit]);
        expect(await useOf(limit)).toMatchObject({ resetsAt: null });
        clock.advance(defaultLimits.maxAgeMs);
        await ledger.killed();
        expect(await kindOf({ modelCalls: 1 }, [limit])).toBe('exhausted');
      });

      it('forgets what no window needs any more', async () => {
        await hold({ usdMicros: 60 }, [day(100)]);
        clock.advance(40 * DAY_MS);
        await ledger.killed();
        await ledger.killed();
        clock.advance(-40 * DAY_MS);
        const [{ spent } = { spent: -1 }] = await ledger.usage([day(100)]);
        // Redis counts its own time until it forgets, which no test can move.
        expect([0, 60]).toContain(spent);
      });
    });

    describe('telling', () => {
      const tell = (listener: string, teller: string) => ({ tell: { listener, teller } });
      const refuse = async (overrides: Partial<ReserveRequest>, limit = day(0)) => {
        const answer = await ledger.reserve(request({ usdMicros: 1 }, [limit], overrides));
        return answer.kind === 'exhausted' && answer.isNews;
      };

      it('is news to each listener once per window, and to the same teller again', async () => {
        expect(await refuse(tell('u1', 'ev_1'))).toBe(true);
        expect(await refuse(tell('u1', 'ev_2'))).toBe(false);
        expect(await refuse(tell('u1', 'ev_1'))).toBe(true);
        expect(await refuse(tell('u2', 'ev_2'))).toBe(true);
        clock.advance(DAY_MS);
        expect(await refuse(tell('u1', 'ev_3'))).toBe(true);
      });

      it('is news for each limit of its own', async () => {
        expect(await refuse(tell('u1', 'ev_1'))).toBe(true);
        expect(await refuse(tell('u1', 'ev_2'), day(0, { window: 'hour' }))).toBe(true);
      });

      it('is nobody’s news when nobody is named', async () => {
        expect(await refuse({})).toBe(false);
        expect(await refuse(tell('u1', 'ev_1'))).toBe(true);
      });

      it('says when others only hold what would fit', async () => {
        const held = await hold({ usdMicros: 60 }, [day(100)]);
        expect(await ledger.reserve(request({ usdMicros: 50 }, [day(100)]))).toMatchObject({ mayFree: true });
        await ledger.settle(held, { usdMicros: 60 });
        expect(await ledger.reserve(request({ usdMicros: 50 }, [day(100)]))).toMatchObject({ mayFree: false });
      });

      it('warns once per window when 80 % of a limit are spent', async () => {
        const spend = async (amount: number) =>
          ledger.settle(await hold({ usdMicros: 20 }, [day(100)]), { usdMicros: amount });
        for (let n = 0; n < 4; n += 1) expect((await spend(19)).warnings).toEqual([]);
        expect((await spend(4)).warnings).toEqual([{ scope: 'tenant', resource: 'usdMicros', window: 'day' }]);
        expect((await spend(4)).warnings).toEqual([]);
        clock.advance(DAY_MS);
        for (let n = 0; n < 3; n += 1) expect((await spend(20)).warnings).toEqual([]);
        expect((await spend(20)).warnings).toHaveLength(1);
      });
    });

    // Windows are those of the UTC calendar wherever the process runs: the two zones that are farthest from it, and one
    // whose hours do not begin with those of UTC.
    describe.each([
      ['Pacific/Kiritimati', -14 * 60],
      ['Pacific/Pago_Pago', 11 * 60],
      ['Asia/Kathmandu', -(5 * 60 + 45)],
    ])('in the time zone %s', (zone, offsetMinutes) => {
      let before: string | undefined;
      beforeEach(() => {
        before = process.env.TZ;
        process.env.TZ = zone;
      });
      afterEach(() => {
        if (before === undefined) delete process.env.TZ;
        else process.env.TZ = before;
      });

      it.each([
        ['a month', 'month', Date.UTC(2030, 2, 1), Date.UTC(2030, 3, 1)],
        ['a leap February', 'month', Date.UTC(2028, 1, 1), Date.UTC(2028, 2, 1)],
        ['a December', 'month', Date.UTC(2029, 11, 1), Date.UTC(2030, 0, 1)],
        ['a day', 'day', Date.UTC(2030, 2, 1), Date.UTC(2030, 2, 2)],
        ['the last day of a year', 'day', Date.UTC(2029, 11, 31), Date.UTC(2030, 0, 1)],
        ['an hour', 'hour', Date.UTC(2030, 2, 1, 10), Date.UTC(2030, 2, 1, 11)],
      ] as const)('%s begins and ends with that of UTC, to the millisecond', async (_, window, start, end) => {
        expect(new Date(start).getTimezoneOffset()).toBe(offsetMinutes);
        // Where local time would begin a window of its own.
        const local = start + offsetMinutes * 60_000 + (offsetMinutes < 0 ? end - start : 0);
        const limit = day(10, { window });
        const at = (time: number) => clock.advance(time - clock.now());
        at(start - 1);
        await hold({ usdMicros: 10 }, [limit], 1);
        expect(await ledger.reserve(request({ usdMicros: 1 }, [limit]))).toMatchObject({ resetsAt: start });
        at(start);
        await hold({ usdMicros: 10 }, [limit], 1);
        for (const time of [start + 1, local - 1, local, local + 1, end - 1].filter(
          (one) => one > start && one < end,
        )) {
          at(time);
          expect(await ledger.reserve(request({ usdMicros: 1 }, [limit]))).toMatchObject({
            kind: 'exhausted',
            resetsAt: end,
          });
          expect(await useOf(limit)).toMatchObject({ spent: 10, resetsAt: end });
        }
        at(end);
        expect(await kindOf({ usdMicros: 10 }, [limit])).toBe('reserved');
      });
    });

    it.each(scopeKinds)('refuses by the limit of the scope %s alone, for those who share it', async (scope) => {
      const window = scope === 'run' ? 'run' : 'day';
      const limits = { [scope]: { tokens: { [window]: 10 } } };
      const spender: Spender = { tenant: 'acme', channel: 'slack', user: 'u1', conversation: 'c1', run: 'ev_1:1' };
      const ask = (one: Spender) =>
        ledger.reserve(request({ tokens: 10 }, accountLimits(limits, one), { tenant: one.tenant }));
      expect(await ask(spender)).toMatchObject({ kind: 'reserved', reservation: { lines: 1 } });
      expect(await ask(spender)).toMatchObject({ kind: 'exhausted', limit: { scope, resource: 'tokens', window } });

      // Everything that may differ without leaving the scope, and everything that leaves it.
      const members: Readonly<Record<ScopeKind, readonly (keyof Spender)[]>> = {
        global: [],
        tenant: ['tenant'],
        channel: ['tenant', 'channel'],
        user: ['tenant', 'user'],
        conversation: ['tenant', 'conversation'],
        run: ['tenant', 'run'],
      };
      for (const part of ['tenant', 'channel', 'user', 'conversation', 'run'] as const) {
        const other = { ...spender, [part]: 'other' };
        const isShared = !members[scope].includes(part);
        expect((await ask(other)).kind, part).toBe(isShared ? 'exhausted' : 'reserved');
      }
    });

    describe('kill switch', () => {
      it('lets nothing be reserved while it is on, for its tenant only, seen by every handle', async () => {
        const other = await harness.reopen(store);
        await other.ledger.kill('acme', true);
        expect(await ledger.reserve(request({ usdMicros: 1 }, [day(100)]))).toEqual({ kind: 'killed' });
        expect(await ledger.reserve(request({}, []))).toEqual({ kind: 'killed' });
        expect(await ledger.reserve(request({}, [], { tenant: 'globex' }))).toMatchObject({ kind: 'reserved' });
        expect(await ledger.killed()).toEqual(new Set(['acme']));
        await ledger.kill('acme', false);
        expect(await other.ledger.killed()).toEqual(new Set());
        expect(await kindOf({ usdMicros: 1 }, [day(100)])).toBe('reserved');
      });

      it('does not keep what was reserved before from being settled', async () => {
        const held = await hold({ usdMicros: 60 }, [day(100)]);
        await ledger.kill('acme', true);
        await ledger.kill('acme', true);
        expect(await ledger.settle(held, { usdMicros: 10 })).toMatchObject({ isLate: false });
        expect(await useOf(day(100))).toMatchObject({ spent: 10, reserved: 0 });
      });
    });

    it('reserves nothing once it cannot be reached', async () => {
      expect(await kindOf({ usdMicros: 1 }, [day(100)])).toBe('reserved');
      await store.close();
      await expect(ledger.reserve(request({ usdMicros: 1 }, [day(100)]))).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
      });
      store = await harness.open();
    });
  });
}
