import { describe, expect, test } from 'vitest';
import { type MonthReport, simulateMonth } from '../support/gmail-month.ts';
import { CAMPAIGN_MS, seeds } from '../support/seeds.ts';

/** Everything that must have gone wrong in a month for its end to prove anything. */
const required: readonly string[] = [
  'push was lost',
  'push was repeated',
  'push was delayed',
  'push came after a later one',
  'push was sent again',
  'gate was down',
  'index lagged',
  'gmail was down',
  'gmail answered 429',
  'gmail answered 403',
  'gmail answered 500',
  'gmail answered 503',
  'gmail answered reset',
  'gmail answered lost-answer',
  'gmail answered timeout',
  'google rotated its key',
  'store failed before it accepted',
  'store failed after it accepted',
  'store failed before the cursor moved',
];

const timesOf = (ids: readonly string[], { runs }: MonthReport): Set<number> =>
  new Set(ids.map((id) => runs.get(id) ?? 0));

describe.each(seeds())(
  'a month of a mailbox, seed %i',
  (seed) => {
    test('every message that somebody wrote is run once and answered once, and no renewal is late', async () => {
      const report = await simulateMonth(seed);
      expect(report.written.length).toBeGreaterThan(20);
      expect(timesOf(report.written, report)).toEqual(new Set([1]));
      expect(timesOf(report.noise, report)).toEqual(new Set([0]));
      const answered = new Map(report.written.map((id) => [`<${id}@mail.example.org>`, 1]));
      expect(report.replies).toEqual(answered);
      const records = report.records.filter(({ event, state }) => event.kind === 'message' && state === 'done');
      expect(records).toHaveLength(report.written.length);
      expect(report.leastWatchMs).toBeGreaterThan(5 * 86_400_000);
      expect(report.gaps).toBeGreaterThan(0);
      expect(required.filter((fault) => !report.faults.has(fault))).toEqual([]);
    });
  },
  CAMPAIGN_MS,
);
