import { createServer } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Attached, attachedTo } from './signals.ts';

// Loaded into a role's process before the product (`--import`): says over HTTP what the process keeps in memory. It sees
// what was made, and changes nothing of what the product does.

/** What a process keeps after its garbage is collected. */
export interface Memory {
  readonly heapBytes: number;
  /** Signals made while the process started. They live as long as it does. */
  readonly signals: number;
  /** What hangs on them, together. */
  readonly attached: Attached;
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

const atStart: AbortSignal[] = [];
let isStarting = true;
const Original = globalThis.AbortController;
globalThis.AbortController = class extends Original {
  constructor() {
    super();
    if (isStarting) atStart.push(this.signal);
  }
};

/** Several times: what is finalized in one collection is freed in the next. */
async function memory(): Promise<Memory> {
  isStarting = false;
  for (let n = 0; n < 4; n += 1) {
    collect();
    await turn();
  }
  const all = atStart.map(attachedTo);
  const sum = (field: keyof Attached): number => all.reduce((total, one) => total + one[field], 0);
  return {
    heapBytes: process.memoryUsage().heapUsed,
    signals: all.length,
    attached: { dependants: sum('dependants'), listeners: sum('listeners') },
  };
}

/** What was asked to be kept: a leak of known size, to see that the figures show one. */
const kept: null[][] = [];

createServer(async (request, response) => {
  const { searchParams } = new URL(request.url ?? '/', 'http://probe.invalid');
  const bytes = Number(searchParams.get('keep') ?? 0);
  // Eight bytes an element. Long strings and buffers would lie outside the heap.
  if (bytes > 0) kept.push(new Array<null>(bytes / 8).fill(null));
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(await memory()));
})
  .listen(Number(process.env.MEMORY_PROBE_PORT), '127.0.0.1')
  .unref();
