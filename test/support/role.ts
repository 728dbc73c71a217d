import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { ensureBuilt } from './built.ts';
import { endWithParent } from './children.ts';
import { freePort } from './free-port.ts';

const root = join(import.meta.dirname, '..', '..');

/** A role of the product in a process of its own: what an operator starts, from the built bundle. */
export interface RoleProcess {
  readonly port: number;
  readonly url: string;
  /** The running process; another one after `restart`. */
  readonly child: ChildProcess;
  /** SIGKILL: nothing is said or finished. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export interface RoleOptions {
  readonly role: string;
  readonly args?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
  /** Fixed port; a free one otherwise. */
  readonly port?: number;
  /** Authority of the certificate of a role that speaks HTTPS. */
  readonly ca?: string;
  /** A program with arguments that starts Node, such as one that shuts it in. */
  readonly within?: readonly string[];
}

/** Starts a role and waits until its health page answers. */
export async function startRole(options: RoleOptions): Promise<RoleProcess> {
  await ensureBuilt();
  const port = options.port ?? (await freePort());
  const { ca } = options;
  const url = `http${ca === undefined ? '' : 's'}://127.0.0.1:${port}`;
  let child = launch(options, port);
  await healthy(url, child, ca);
  return {
    port,
    url,
    get child() {
      return child;
    },
    kill: () => end(child, 'SIGKILL'),
    stop: async () => {
      await end(child, 'SIGTERM');
      return child.exitCode;
    },
    restart: async () => {
      await end(child, 'SIGKILL');
      child = launch(options, port);
      await healthy(url, child, ca);
    },
  };
}

function launch(
  { role, args: options = [], environment, folder, within = [] }: RoleOptions,
  port: number,
): ChildProcess {
  const log = openSync(join(folder, `${role}-${port}.log`), 'a');
  const [program = process.execPath, ...args] = [
    ...within,
    process.execPath,
    join(root, 'bin', 'sallyport.js'),
    role,
    ...options,
  ];
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOST: '127.0.0.1', PORT: String(port), ...environment },
    stdio: ['ignore', log, log],
  });
  return endWithParent(child);
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

/** Generous: a loaded machine starts several processes at once. */
const START_MS = 120_000;

async function healthy(url: string, child: ChildProcess, ca?: string): Promise<void> {
  const giveUpAt = Date.now() + START_MS;
  while (Date.now() < giveUpAt) {
    if (child.exitCode !== null) throw new Error(`the role ended with ${child.exitCode} before it listened`);
    const asked = ca === undefined ? fetch(`${url}/health`).then(({ ok }) => ok) : isHealthyOver(url, ca);
    const isUp = await asked.catch(() => false);
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('the role did not listen in time');
}

const isHealthyOver = (url: string, ca: string): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const options = { ca, agent: false };
    get(`${url}/health`, options, (answer) => resolve(answer.resume().statusCode === 200)).on('error', reject);
  });
