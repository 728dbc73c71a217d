import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plan } from './processes.ts';

/** Ms that a process has until its health check passes. Generous: a loaded machine starts several at once. */
const START_MS = 120_000;
const POLL_MS = 500;

export interface Supervised {
  /** Rejects when a process ends that should go on. */
  readonly failed: Promise<never>;
  /** SIGTERM to each, the last one that was started first; SIGKILL after its grace. Resolves when all have ended. */
  stop(): Promise<void>;
}

interface Running {
  readonly plan: Plan;
  readonly child: ChildProcess;
  readonly log: string;
  /** Resolves with a text that says how it ended. */
  readonly ended: Promise<string>;
}

/**
 * Starts the processes in the order of what they wait for, each once those are well.
 *
 * @throws Error if one ends or is not well in time; the others have been stopped then
 */
export async function supervise(
  plans: readonly Plan[],
  logs: string,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Supervised> {
  const running: Running[] = [];
  let isStopping = false;
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});

  const start = async (plan: Plan): Promise<void> => {
    const one = await launch(plan, join(logs, `${plan.name}.log`));
    running.push(one);
    say(`started ${plan.name} (process ${one.child.pid})`);
    void one.ended.then((how) => {
      if (!isStopping) fail(new Error(`${plan.name}: ${how}; the end of ${one.log}:\n${lastLines(one.log)}`));
    });
    await Promise.race([untilHealthy(one, signal), failed]);
  };
  const stop = async (): Promise<void> => {
    isStopping = true;
    for (const one of running.toReversed()) await end(one);
  };

  try {
    for (const plan of inOrder(plans)) {
      if (signal.aborted) break;
      await start(plan);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { failed, stop };
}

/** Those without dependencies first. @throws Error if they wait for each other */
function inOrder(plans: readonly Plan[]): readonly Plan[] {
  const ordered: Plan[] = [];
  const isPlaced = (name: string): boolean =>
    ordered.some((plan) => plan.name === name) || !plans.some((plan) => plan.name === name);
  while (ordered.length < plans.length) {
    const next = plans.find((plan) => !ordered.includes(plan) && plan.after.every(isPlaced));
    if (next === undefined) throw new Error('depends_on: the services wait for each other');
    ordered.push(next);
  }
  return ordered;
}

/** The environment of this shell is not passed on: a container would not have it either. */
const environmentFor = ({ environment }: Plan) => ({ PATH: process.env.PATH ?? '', ...environment });

async function launch(plan: Plan, log: string): Promise<Running> {
  const folders = [...plan.folders, ...Object.keys(plan.files).map(dirname)];
  for (const folder of folders) await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [path, text] of Object.entries(plan.files)) await writeFile(path, text, { mode: 0o600 });
  const [program = '', ...args] = plan.command;
  const output = openSync(log, 'a', 0o600);
  // A group of its own: Ctrl-C reaches every process of the terminal's group, and would end Redis before the worker.
  const child = spawn(program, args, {
    cwd: dirname(log),
    env: environmentFor(plan),
    stdio: ['ignore', output, output],
    detached: true,
  });
  closeSync(output);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(`could not be started (${error.code})`));
    child.once('exit', (code, signal) => resolve(`ended with ${code ?? signal}`));
  });
  return { plan, child, log, ended };
}

async function untilHealthy({ plan, log }: Running, signal: AbortSignal): Promise<void> {
  const givesUpAt = performance.now() + START_MS;
  while (!signal.aborted) {
    if (await isHealthy(plan)) return;
    if (performance.now() > givesUpAt) {
      throw new Error(`${plan.name}: not healthy after ${START_MS / 1000} s; the end of ${log}:\n${lastLines(log)}`);
    }
    await sleep(POLL_MS);
  }
}

async function isHealthy(plan: Plan): Promise<boolean> {
  const [program = '', ...args] = plan.health;
  // Images have wget, and machines may have none.
  if (program === 'wget') {
    return fetch(args.at(-1) ?? '').then(
      ({ ok }) => ok,
      () => false,
    );
  }
  const child = spawn(program, args, { env: environmentFor(plan), stdio: 'ignore' });
  return new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

async function end({ child, plan, ended }: Running): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), plan.graceMs);
  await ended;
  clearTimeout(timer);
}

const lastLines = (log: string): string => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
