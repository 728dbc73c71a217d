import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { linkSignals } from '../../../src/core/linked-signal.ts';
import { attachedTo, nothingAttached } from '../../support/signals.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const parents = () => [new AbortController(), new AbortController()] as const;

describe('a linked signal', () => {
  test.each([0, 1])('aborts with the reason of parent %d, and leaves nothing on either', (which) => {
    const both = parents();
    const linked = linkSignals(both.map(({ signal }) => signal));
    expect(linked.signal.aborted).toBe(false);
    both[which as 0 | 1].abort('why');
    both[which === 0 ? 1 : 0].abort('later');
    expect([linked.signal.aborted, linked.signal.reason]).toEqual([true, 'why']);
    expect(both.map(({ signal }) => attachedTo(signal))).toEqual([nothingAttached, nothingAttached]);
  });

  test('of a parent that is aborted already is aborted, and follows no other', () => {
    const [parent] = parents();
    const linked = linkSignals([parent.signal, AbortSignal.abort('before')], { ms: 10 });
    expect(linked.signal.reason).toBe('before');
    expect(attachedTo(parent.signal)).toEqual(nothingAttached);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('aborts when its time is over, with the error of `AbortSignal.timeout` or the one it was given', () => {
    const [parent] = parents();
    const plain = linkSignals([parent.signal, undefined, null], { ms: 10 });
    const named = linkSignals([parent.signal], { ms: 10, reason: () => 'too late' });
    vi.advanceTimersByTime(9);
    expect([plain.signal.aborted, named.signal.aborted]).toEqual([false, false]);
    vi.advanceTimersByTime(1);
    expect(plain.signal.reason).toMatchObject({ name: 'TimeoutError' });
    expect(named.signal.reason).toBe('too late');
    expect(attachedTo(parent.signal)).toEqual(nothingAttached);
  });

  test('that is released follows nothing any more, however often it is released', () => {
    const [parent] = parents();
    const linked = linkSignals([parent.signal], { ms: 10 });
    linked.release();
    linked.release();
    expect([attachedTo(parent.signal), vi.getTimerCount()]).toEqual([nothingAttached, 0]);
    vi.advanceTimersByTime(20);
    parent.abort();
    expect(linked.signal.aborted).toBe(false);
  });

  test('that is aborted by itself leaves its parents alone', () => {
    const [parent] = parents();
    const linked = linkSignals([parent.signal]);
    linked.abort('own');
    linked.abort('again');
    expect([linked.signal.reason, parent.signal.aborted]).toEqual(['own', false]);
    expect(attachedTo(parent.signal)).toEqual(nothingAttached);
  });

  test('shares one listener on its parent with all others, and each is released alone', () => {
    const [parent] = parents();
    const all = Array.from({ length: 50 }, () => linkSignals([parent.signal]));
    expect(attachedTo(parent.signal)).toEqual({ dependants: 0, listeners: 1 });
    for (const linked of all.slice(0, 49)) linked.release();
    parent.abort('why');
    expect(all.map(({ signal }) => signal.aborted)).toEqual(all.map((_, at) => at === 49));
    expect(attachedTo(parent.signal)).toEqual(nothingAttached);
  });
});
