import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { LogFields } from '../../src/core/logger.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { MAX_LIMIT_KEYS } from '../../src/queue/limits.ts';
import { createSourceLimiter, type SourceLimiter } from '../../src/server/limits/sources.ts';

const SOURCES = 100_000;
const MIB = 1024 * 1024;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** IPv6, because each of those counts twice: for its subscriber and for its site. */
const source = (n: number): string => `2001:db8:${(n >> 4).toString(16)}:${(n & 15).toString(16)}::1`;

const unproven = { tenant: 'default', channel: 'slack', reason: 'signature_mismatch' };

function open(perMinute: number) {
  const written: number[] = [];
  const lines: [string, LogFields][] = [];
  const limiter: SourceLimiter = createSourceLimiter({
    perMinute,
    limits: {
      addUp: async (counts) => {
        written.push(counts.size);
        return [...counts.values()];
      },
    },
    digest: (label, parts) => [label, ...parts].join(' '),
    isShared: () => false,
    clock: Date.now,
    logger: { ...silentLogger, warn: (fields, name) => void lines.push([name, fields]) },
  });
  return { limiter, written, lines };
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

test('100,000 sources take less than 16 MiB of a process, and at most 10,000 keys of the store', async () => {
  const { limiter, written } = open(1);
  const before = heapUsed();
  for (let n = 0; n < SOURCES; n += 1) limiter.count(source(n), unproven);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(heapUsed() - before).toBeLessThan(16 * MIB);
  expect(written).toEqual([MAX_LIMIT_KEYS]);
});

test('sources that fail seldom are not written to the store; one that fails often is, once a second', async () => {
  const { limiter, written } = open(1_200);
  for (let n = 0; n < 1_000; n += 1) limiter.count(`203.0.113.${n % 250}`, unproven);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(written).toEqual([]);
  for (let n = 0; n < 500; n += 1) limiter.count('198.51.100.1', unproven);
  await vi.advanceTimersByTimeAsync(1_000);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(written).toEqual([1]);
});

test('at most 1,000 sources of a minute have lines of their own; the others are one line', () => {
  vi.setSystemTime(60_000_000);
  const { limiter, lines } = open(1);
  let first = 0;
  for (let n = 0; n < 3_000; n += 1) {
    if (limiter.count(`10.0.${n >> 8}.${n & 255}`, unproven).isFirst) first += 1;
    limiter.count(`10.0.${n >> 8}.${n & 255}`, unproven);
  }
  expect(first).toBe(1_000);
  limiter.close();
  expect(lines.filter(([name]) => name === 'source.unproven')).toHaveLength(1_000);
  expect(lines[0]).toEqual([
    'source.unproven',
    { source: '10.0.0.0', from: 60_000_000, count: 2, kinds: [{ ...unproven, count: 2 }] },
  ]);
  expect(lines.filter(([name]) => name === 'source.unproven-others')).toEqual([
    ['source.unproven-others', { from: 60_000_000, sources: 2_000, count: 4_000 }],
  ]);
});

test('what other processes have counted counts as well, from the next second on', async () => {
  const limiter = createSourceLimiter({
    perMinute: 100,
    limits: { addUp: async (counts) => [...counts.values()].map((own) => own + 95) },
    digest: (label, parts) => [label, ...parts].join(' '),
    isShared: () => false,
    clock: Date.now,
    logger: silentLogger,
  });
  vi.setSystemTime(60_000_000);
  for (let n = 0; n < 6; n += 1) expect(limiter.count('198.51.100.1', unproven).isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(limiter.isOver('198.51.100.1')).toBe(true);
  expect(limiter.count('198.51.100.1', unproven).isOver).toBe(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(limiter.isOver('198.51.100.1')).toBe(false);
});

test('a store that is away changes nothing about what a process counts itself', async () => {
  const limiter = createSourceLimiter({
    perMinute: 3,
    limits: { addUp: () => Promise.reject(new Error('away')) },
    digest: (label, parts) => [label, ...parts].join(' '),
    isShared: () => false,
    clock: Date.now,
    logger: silentLogger,
  });
  vi.setSystemTime(60_000_000);
  for (let n = 0; n < 3; n += 1) expect(limiter.count('198.51.100.1', unproven).isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(limiter.count('198.51.100.1', unproven).isOver).toBe(true);
});
