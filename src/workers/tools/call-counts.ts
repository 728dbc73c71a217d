import { Refused } from './refusal.ts';
import type { Tool } from './tool.ts';

/** Calls of one tool in one run unless it says otherwise: a loop shows by then. */
const MAX_CALLS = 10;

/** Counts the calls of a run. Calls an earlier attempt made are asked for again and so count again: the caps are the run's. */
export interface CallCounts {
  count(name: string): void;
  /** @throws Refused `too-many-calls` when the call just counted is one too many */
  check(tool: Tool): void;
}

export function createCallCounts(maxOfRun: number): CallCounts {
  const made = new Map<string, number>();
  let all = 0;
  return {
    count(name) {
      made.set(name, (made.get(name) ?? 0) + 1);
      all += 1;
    },
    check({ name, maxCalls = MAX_CALLS }) {
      if ((made.get(name) ?? 0) > maxCalls || all > maxOfRun) {
        throw new Refused('too-many-calls', 'this tool may not be called again in this run');
      }
    },
  };
}
