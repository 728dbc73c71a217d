import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { bundle } from './bundle.ts';
import { endWithParent } from './children.ts';

/** What one process that spends is to do. */
export interface SpenderPlan {
  readonly store: { readonly url: string; readonly prefix: string } | { readonly path: string };
  readonly seed: number;
  /** Event ids, all run at once. */
  readonly runs: readonly string[];
  readonly capMicros: number;
  /** Until a reservation of a dead worker is spent, in ms. */
  readonly callMs: number;
  /** The file it writes its history to, a fact a line. */
  readonly history: string;
}

/** One thing that happened, on the machine's monotonic clock in microseconds. */
export interface Fact {
  readonly at: number;
  /** `ask`/`held`/`refused`: reserving, and the answer. `billed`: the vendor served it. `settling`/`settled`/`late`. */
  readonly what: 'begun' | 'ask' | 'held' | 'refused' | 'billed' | 'settling' | 'settled' | 'late' | 'ended';
  /** Of the reservation. */
  readonly id: string;
  readonly run: string;
  readonly micros: number;
}

export const buildSpender = (): Promise<string> => bundle('test/support/spender-child.ts');

export interface Spender {
  readonly plan: SpenderPlan;
  /** Resolves with the exit code, null after a kill. */
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
}

export function startSpender(program: string, plan: SpenderPlan): Spender {
  const child = spawn(process.execPath, [program, JSON.stringify(plan)], { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(endWithParent(child), 'exit').then(([code]) => code as number | null);
  return {
    plan,
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** A process that was killed amid a line leaves no half of one: lines are written whole. */
export const readHistory = (path: string): Fact[] =>
  (existsSync(path) ? readFileSync(path, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Fact);
