import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createBodyPool, type PooledBody } from '../../../../src/server/limits/bodies.node.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate', 'performance'] }));
afterEach(() => void vi.useRealTimers());

interface Body extends PooledBody {
  readonly state: () => 'reading' | 'paused' | 'cut';
}

function open({ shared = [], failing = [] }: { shared?: string[]; failing?: string[] } = {}) {
  const pool = createBodyPool({
    isShared: (source) => shared.includes(source),
    isFailing: (source) => failing.includes(source),
    limits: { all: 100, ofSource: 40, ofFailing: 10, small: 5, forSmall: 20, progress: 2 },
  });
  return (source: string): Body => {
    let state: 'reading' | 'paused' | 'cut' = 'reading';
    const incoming = {
      pause: () => {
        state = 'paused';
      },
      resume: () => {
        state = 'reading';
      },
    } as unknown as IncomingMessage;
    const pooled = pool.enter(incoming, source, () => {
      state = 'cut';
    });
    return { ...pooled, state: () => state };
  };
}

test('a source’s bodies over its share wait, the first of them excepted, and go on when one leaves', async () => {
  const enter = open();
  const [first, second, third] = ['a', 'a', 'b'].map(enter) as [Body, Body, Body];
  first.add(30);
  second.add(20);
  third.add(30);
  first.add(30);
  expect([first, second, third].map(({ state }) => state())).toEqual(['reading', 'paused', 'reading']);
  first.leave();
  await vi.advanceTimersByTimeAsync(250);
  expect(second.state()).toBe('reading');
});

test('a source that keeps failing has its larger bodies read one after the other, and none is refused', async () => {
  const enter = open({ failing: ['a'] });
  const bodies = Array.from({ length: 5 }, () => enter('a'));
  for (const body of bodies) body.add(8);
  const order: number[] = [];
  while (bodies.some((_, at) => !order.includes(at))) {
    await vi.advanceTimersByTimeAsync(250);
    const next = bodies.findIndex((body, at) => !order.includes(at) && body.state() === 'reading');
    expect(next).toBeGreaterThanOrEqual(0);
    bodies[next]?.leave();
    order.push(next);
  }
  expect(order).toEqual([0, 1, 2, 3, 4]);
});

test('bodies that stand still are cut when others need the room, and never while there is room', async () => {
  const enter = open({ shared: ['proxy'] });
  const stalled = Array.from({ length: 9 }, () => enter('proxy'));
  for (const body of stalled) body.add(10);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stalled.map(({ state }) => state())).toEqual(stalled.map(() => 'reading'));
  const honest = enter('proxy');
  honest.add(30);
  expect(honest.state()).toBe('reading');
  expect(stalled.map(({ state }) => state())).toEqual([
    ...Array.from({ length: 2 }, () => 'cut'),
    ...Array.from({ length: 7 }, () => 'reading'),
  ]);
});

test('where all others are making progress a body waits until they stand still', async () => {
  const enter = open({ shared: ['proxy'] });
  const others = Array.from({ length: 10 }, () => enter('proxy'));
  for (const body of others) body.add(10);
  const late = enter('proxy');
  late.add(10);
  expect(late.state()).toBe('paused');
  await vi.advanceTimersByTimeAsync(500);
  expect(late.state()).toBe('reading');
  expect(others.filter(({ state }) => state() === 'cut')).toHaveLength(1);
});

test('a small body does not wait for larger ones that fill the pool, whatever they do', async () => {
  const enter = open({ shared: ['proxy'] });
  const large = Array.from({ length: 11 }, () => enter('proxy'));
  for (const body of large) body.add(10);
  const small = Array.from({ length: 2 }, () => enter('proxy'));
  for (const body of small) body.add(4);
  expect(small.map(({ state }) => state())).toEqual(['reading', 'reading']);
  // What is set aside for small bodies has an end as well, and a body that grows is none.
  small[0]?.add(10);
  expect(small[0]?.state()).toBe('paused');
  const more = Array.from({ length: 4 }, () => enter('proxy'));
  for (const body of more) body.add(5);
  expect(more.map(({ state }) => state())).toContain('paused');
});

test('a body of which too little comes stands still, and is cut when others need the room', async () => {
  const enter = open({ shared: ['proxy'] });
  const trickling = Array.from({ length: 9 }, () => enter('proxy'));
  for (const body of trickling) body.add(10);
  for (let n = 0; n < 3; n += 1) {
    await vi.advanceTimersByTimeAsync(100);
    for (const body of trickling.slice(0, 8)) body.add(0.25);
    trickling[8]?.add(1);
  }
  const honest = enter('proxy');
  honest.add(20);
  expect(honest.state()).toBe('reading');
  expect(trickling.slice(0, 8).some(({ state }) => state() === 'cut')).toBe(true);
  // The ninth is slow and not too slow.
  expect(trickling[8]?.state()).toBe('reading');
});
