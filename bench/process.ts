import { type ChildProcess, spawn } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Clock ticks per second of /proc figures; 100 on every Linux this runs on (getconf CLK_TCK). */
const TICKS = 100;

export interface Server {
  readonly pid: number;
  readonly port: number;
  /** Milliseconds from spawn to the first connection taken. */
  readonly startMs: number;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Starts a server and waits until it takes connections. */
export async function start(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  port: number,
): Promise<Server> {
  // To a file, as a service manager would do it: a pipe would be read by the load generator's process.
  const logPath = join(await mkdtemp(join(tmpdir(), 'sallyport-bench-')), 'log');
  const log = openSync(logPath, 'a');
  const complaints = (): string => readFileSync(logPath, 'utf8').slice(0, 4000);
  const startedAt = performance.now();
  const child: ChildProcess = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', PORT: String(port), ...environment },
    stdio: ['ignore', 'ignore', log],
  });
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended: ${complaints()}`);
    if (performance.now() - startedAt > 20_000) throw new Error(`${args.join(' ')} does not listen: ${complaints()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const startMs = performance.now() - startedAt;
  child.once('exit', (code) => {
    if (code !== 0 && code !== null) console.error(`${args.join(' ')} ended with ${code}: ${complaints()}`);
  });
  return { pid: child.pid ?? 0, port, startMs, stop: () => stop(child) };
}

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 5_000).unref();
  });
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Seconds of processor time a process has used, user and system. */
export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Resident memory in MiB. */
export function rssMiB(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}
