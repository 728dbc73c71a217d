import { describe, expect, it } from 'vitest';
import { graphFaults, simulateGraphMonth } from '../support/graph-month.ts';
import { CAMPAIGN_MS } from '../support/seeds.ts';

/** Each seed is another month; all of them together take half a minute of processor time. */
const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);

describe('a month of Graph', () => {
  it.each(SEEDS)(
    'in which everything goes wrong ends with one run for every message (seed %i)',
    async (seed) => {
      const report = await simulateGraphMonth(seed);
      // A month in which something did not happen proves nothing about it.
      for (const fault of graphFaults) expect([fault, report.faults.get(fault) ?? 0]).not.toEqual([fault, 0]);

      const once = report.written.map((text) => [text, 1]);
      expect([...report.runs].toSorted()).toEqual(once.toSorted());
      const mails = report.written.filter((text) => report.mails.has(text)).map((text) => [text, 1]);
      expect(mails.length).toBeGreaterThan(20);
      expect([...report.replies].toSorted()).toEqual(mails.toSorted());

      const unfinished = report.records.filter(({ state }) => state !== 'done' && state !== 'ignored');
      expect(unfinished.map(({ event, state }) => [event.kind, state])).toEqual([]);
      // Due at half of its life of three days, of which two outages in a row and a slow keeper may take another third.
      expect(report.leastLeft).toBeGreaterThan(0.15);
      expect(report.subscriptions.toSorted()).toEqual(report.wanted.toSorted());
    },
    CAMPAIGN_MS,
  );
});
