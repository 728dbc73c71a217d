import { afterEach, expect, test } from 'vitest';
import { type MemoryWorld, startMemoryWorld } from '../support/memory-world.ts';

/** A third. `bench/memory.ts` measures thousands, and finds leaks of some hundred bytes a run. */
const RUNS = 40;
/** What a leak of a run would be at least that this short form must find: less than the prompt and the payload of one. */
const LEAK_BYTES = 32 * 1024;

let world: MemoryWorld | undefined;
afterEach(() => world?.stop());

test('what runs used is given back when they have ended, in a process that is up for long', {
  timeout: 120_000,
}, async () => {
  world = await startMemoryWorld();
  const atStart = await world.memory();
  expect(atStart.signals).toBeGreaterThan(3);
  await world.run(RUNS);
  const early = await world.memory();
  await world.run(2 * RUNS);
  const late = await world.memory();
  expect(late.attached.dependants).toBe(0);
  expect(late.attached.listeners).toBeLessThanOrEqual(atStart.attached.listeners);
  const control = await world.keep(2 * RUNS * LEAK_BYTES);
  expect(late.heapBytes - early.heapBytes).toBeLessThan((control.heapBytes - late.heapBytes) / 2);
});
