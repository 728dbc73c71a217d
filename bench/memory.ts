import { type MemoryWorld, startMemoryWorld } from '../test/support/memory-world.ts';
import { markdown, writeSection } from './report.ts';

// What a worker keeps of a run that has ended: runs of two agents (a model with a tool call; code that combines its signal
// with others) in one process, whose heap is measured after forced collections. `npx tsx bench/memory.ts [runs]`
const RUNS = Number(process.argv[2] ?? 3_000);
/** Measurements; the first third is warm-up: caches fill, and V8 compiles. */
const SAMPLES = 15;
const WARM = SAMPLES / 3;
/** Bytes a run that may be kept, in 3,000 runs: the heap differs by half a megabyte from one measurement to the next. */
const MOST = 500;
/** What the control keeps of each run. */
const CONTROL = 2 * MOST;

interface Sample {
  readonly runs: number;
  readonly heapBytes: number;
  readonly dependants: number;
  readonly listeners: number;
}

async function sample(world: MemoryWorld, runs: number): Promise<Sample> {
  const { heapBytes, attached } = await world.memory();
  return { runs, heapBytes, ...attached };
}

/** Bytes a run, by least squares. */
function slope(samples: readonly Pick<Sample, 'runs' | 'heapBytes'>[]): number {
  const mean = (of: (one: (typeof samples)[number]) => number): number =>
    samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
  const [x, y] = [mean(({ runs }) => runs), mean(({ heapBytes }) => heapBytes)];
  const above = samples.reduce((sum, one) => sum + (one.runs - x) * (one.heapBytes - y), 0);
  return above / samples.reduce((sum, one) => sum + (one.runs - x) ** 2, 0);
}

const world = await startMemoryWorld();
try {
  const first = await sample(world, 0);
  const samples: Sample[] = [];
  for (let n = 1; n <= SAMPLES; n += 1) {
    await world.run(RUNS / SAMPLES);
    const one = await sample(world, (n * RUNS) / SAMPLES);
    samples.push(one);
    console.log(JSON.stringify(one));
  }
  const measured = samples.slice(WARM - 1);
  const growth = slope(measured);
  // The control: the same process keeps a known amount, sample by sample.
  const control: Pick<Sample, 'runs' | 'heapBytes'>[] = [];
  for (const { runs } of measured) {
    control.push({ runs, heapBytes: (await world.keep((CONTROL * RUNS) / SAMPLES)).heapBytes });
  }
  const seen = slope(control);
  const last = samples.at(-1) ?? first;
  const table = markdown(
    ['what', 'figure'],
    [
      ['runs', RUNS.toFixed(0)],
      ['heap after the first third (MiB)', mebibytes(measured[0]?.heapBytes)],
      ['heap after the last third (MiB)', mebibytes(last.heapBytes)],
      ['growth in between, least squares (bytes a run)', growth.toFixed(0)],
      [`the same of a control that keeps ${CONTROL} bytes a run`, seen.toFixed(0)],
      ['entries and listeners on signals made at the start, before any run', `${first.dependants}, ${first.listeners}`],
      ['the same after the last run', `${last.dependants}, ${last.listeners}`],
    ],
  );
  console.log(table);
  await writeSection('memory', table);
  const isFlat = growth < MOST && seen > MOST && last.dependants === 0 && last.listeners <= first.listeners;
  if (!isFlat) process.exitCode = 1;
} finally {
  await world.stop();
}

function mebibytes(bytes = Number.NaN): string {
  return (bytes / 1024 / 1024).toFixed(2);
}
