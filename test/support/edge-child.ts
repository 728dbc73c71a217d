import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import { readFile } from 'node:fs/promises';
import { Miniflare } from 'miniflare';

/** What `test/support/edge-process.ts` says to its child. */
export interface EdgeChildPlan {
  /** The Worker's module. */
  readonly bundle: string;
  /** Source of a module around it, which imports it as `./edge.js`; absent: the bundle is the Worker. */
  readonly around?: string;
  readonly folder: string;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** What it answers on its standard output, in one line of JSON. */
export interface EdgeChildReady {
  readonly workerd: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as EdgeChildPlan;
// Told before it has an id. Miniflare starts nothing else.
let runtime: ChildProcess | undefined;
subscribe('child_process', (message) => {
  runtime = (message as { process: ChildProcess }).process;
});
const contents = await readFile(plan.bundle, 'utf8');
const miniflare = new Miniflare({
  modules: [
    ...(plan.around === undefined ? [] : [{ type: 'ESModule' as const, path: 'around.js', contents: plan.around }]),
    { type: 'ESModule', path: 'edge.js', contents },
  ],
  compatibilityDate: '2026-04-01',
  durableObjects: { SHARDS: { className: 'EdgeShard', useSQLite: true } },
  durableObjectsPersist: plan.folder,
  bindings: plan.settings,
  // Otherwise it asks the network where the machine is.
  cf: false,
  host: '127.0.0.1',
  port: plan.port,
});
await miniflare.ready;
const workerd = runtime?.pid;
if (workerd === undefined) throw new Error('miniflare started no workerd');
const ready: EdgeChildReady = { workerd };
process.stdout.write(`${JSON.stringify(ready)}\n`);
