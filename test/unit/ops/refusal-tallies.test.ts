import { beforeEach, expect, test, vi } from 'vitest';
import type { RecordAudit } from '../../../src/core/audit/entry.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { type RefusalTallies, startRefusalTallies } from '../../../src/ops/refusal-tallies.ts';
import { openEmbeddedStore } from '../../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../../src/queue/store.ts';
import { auditOver, wholeChain } from '../../support/audit.ts';
import { createFakeClock, type FakeClock, PATIENCE_MS } from '../../support/clock.ts';
import { testFolder } from '../../support/folder.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

let store: Store;
let clock: FakeClock;
beforeEach(async () => {
  clock = createFakeClock();
  const path = `${await testFolder()}/store.db`;
  store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
  return () => store.close();
});

const start = (audit: RecordAudit = auditOver(store, clock.now)): RefusalTallies =>
  startRefusalTallies({
    audit,
    records: store.records,
    tenants: ['acme', 'globex'],
    clock: clock.now,
    logger: silentLogger,
    lookMs: 2,
  });
const forged = { action: 'delivery.forged', subject: 'slack', reason: 'signature_mismatch' } as const;
const entries = async (tenant = 'acme') =>
  (await wholeChain(store, tenant)).map(({ action, subject, data }) => ({ action, subject, ...data }));
const seqOf = async (tenant = 'acme') => (await store.audit.head(tenant)).seq;
/** Waits for an entry, then for some looks in which there must not be another one. */
const settled = async (seq: number): Promise<void> => {
  await vi.waitFor(async () => expect(await seqOf()).toBe(seq), { timeout: PATIENCE_MS, interval: 2 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await seqOf()).toBe(seq);
};

test('what is refused is in the audit after a minute, then once an hour, with how often and why', async () => {
  const tallies = start();
  for (let n = 0; n < 5; n += 1) tallies.note('acme', forged);
  tallies.note('acme', { ...forged, reason: 'timestamp_malformed' });
  await settled(0);
  clock.advance(MINUTE_MS);
  await settled(1);
  for (let n = 0; n < 7; n += 1) tallies.note('acme', forged);
  clock.advance(HOUR_MS - 1);
  await settled(1);
  clock.advance(1);
  await settled(2);
  expect(await entries()).toMatchObject([
    {
      ...{ action: 'delivery.forged', subject: 'slack', count: 6 },
      reasons: { signature_mismatch: 5, timestamp_malformed: 1 },
    },
    { action: 'delivery.forged', subject: 'slack', count: 7, reasons: { signature_mismatch: 7 } },
  ]);
  // After a quiet hour the first minute counts again.
  clock.advance(HOUR_MS);
  await settled(2);
  tallies.note('acme', forged);
  clock.advance(MINUTE_MS);
  await settled(3);
  await tallies.close();
});

test('each tenant, action and place is counted by itself, and a tenant that is not configured is not counted', async () => {
  const tallies = start();
  tallies.note('acme', forged);
  tallies.note('acme', { ...forged, subject: 'teams' });
  tallies.note('acme', { ...forged, action: 'delivery.conflict', eventId: 'ev_1' });
  tallies.note('globex', forged);
  tallies.note('nobody', forged);
  await tallies.close();
  expect((await entries()).map(({ action, subject }) => [action, subject])).toEqual([
    ['delivery.forged', 'slack'],
    ['delivery.forged', 'teams'],
    ['delivery.conflict', 'slack'],
  ]);
  expect((await entries())[2]).toMatchObject({ events: ['ev_1'] });
  expect(await seqOf('globex')).toBe(1);
  expect(await seqOf('nobody')).toBe(0);
});

test('a tenant gets at most 50 entries a day of all processes together, and the next day what was counted meanwhile', async () => {
  const processes = [start(), start()];
  for (let n = 0; n < 40; n += 1) for (const one of processes) one.note('acme', { ...forged, subject: `place-${n}` });
  clock.advance(MINUTE_MS);
  await settled(50);
  const last = (await entries()).at(-1);
  expect(last).toMatchObject({ lastOfDay: true });
  clock.advance(24 * HOUR_MS);
  await settled(80);
  await Promise.all(processes.map((one) => one.close()));
  const counts = (await entries()).map((entry) => Number(Reflect.get(entry, 'count')));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(80);
});

test('what the audit could not take is counted on', async () => {
  let isAway = true;
  const audit = auditOver(store, clock.now);
  const tallies = start(async (...args) => {
    if (isAway) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'away');
    await audit(...args);
  });
  tallies.note('acme', forged);
  clock.advance(MINUTE_MS);
  await settled(0);
  isAway = false;
  tallies.note('acme', forged);
  clock.advance(MINUTE_MS);
  await settled(1);
  expect(await entries()).toMatchObject([{ count: 2 }]);
  await tallies.close();
});
