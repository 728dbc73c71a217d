import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensureBuilt } from './built.ts';
import { bundle } from './bundle.ts';
import { endPidWithParent, endWithParent } from './children.ts';
import type { EdgeChildPlan, EdgeChildReady } from './edge-child.ts';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

const WORKER = join(import.meta.dirname, '..', '..', 'dist', 'edge.js');

let program: Promise<string> | undefined;

/** The built Worker on workerd, in processes that can be killed; its objects are files in a folder. */
export interface EdgeProcess {
  readonly port: number;
  readonly url: string;
  /** Id of workerd; another one after `restart`. */
  readonly workerd: number;
  /** SIGKILL of workerd and of the process that started it; resolves when its port is closed. */
  kill(): Promise<void>;
  /** Kills it and starts it again on the same port and folder. Sends the Worker no request. */
  restart(): Promise<void>;
}

export interface EdgeProcessOptions {
  /** Settings, by the names of the environment. */
  readonly settings: Readonly<Record<string, string>>;
  /** Where its log is written, and `edge`, the data of its objects. */
  readonly folder: string;
  /** Source of a module around the bundle (`EdgeChildPlan`). */
  readonly around?: string;
}

export async function startEdgeProcess({ settings, folder, around }: EdgeProcessOptions): Promise<EdgeProcess> {
  await ensureBuilt();
  const port = await freePort();
  const plan: EdgeChildPlan = {
    ...{ bundle: WORKER, folder: join(folder, 'edge'), port, settings },
    ...(around !== undefined && { around }),
  };
  const log = openSync(join(folder, `edge-${port}.log`), 'a');
  let running = await launch(plan, log);
  const kill = async (): Promise<void> => {
    await running.kill();
    await until('the port of the edge is closed', () => isClosed(port));
  };
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    get workerd() {
      return running.workerd;
    },
    kill,
    async restart() {
      await kill();
      running = await launch(plan, log);
    },
  };
}

async function launch(plan: EdgeChildPlan, log: number) {
  program ??= bundle('test/support/edge-child.ts');
  const child: ChildProcess = spawn(process.execPath, [await program, JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', log],
  });
  const ended = once(endWithParent(child), 'close');
  const lines = createInterface(child.stdout as NonNullable<typeof child.stdout>);
  const failed = ended.then(([code]) => {
    throw new Error(`the edge ended with ${code} before it was ready`);
  });
  const [line] = (await Promise.race([once(lines, 'line'), failed])) as [string];
  // It ends by a kill from here on.
  failed.catch(() => {});
  const { workerd } = JSON.parse(line) as EdgeChildReady;
  const workerdEnded = endPidWithParent(workerd);
  let isKilled = false;
  const kill = async (): Promise<void> => {
    if (isKilled) return;
    isKilled = true;
    process.kill(workerd, 'SIGKILL');
    child.kill('SIGKILL');
    await ended;
    workerdEnded();
  };
  return { workerd, kill };
}

const isClosed = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
