import { jsonOf } from './arguments.ts';
import { Refused } from './refusal.ts';
import type { Tool } from './tool.ts';

/** Calls of one tool in one run unless it says otherwise: a loop shows by then. */
const MAX_CALLS = 10;

/** The very same call, arguments and all: what came of it before will come of it again. */
const MAX_SAME = 3;

/** Counts the calls of a run. Calls an earlier attempt made are asked for again and so count again: the caps are the run's. */
export interface CallCounts {
  count(name: string, input: unknown): void;
  /** @throws Refused `too-many-calls`, `repeated` when the call just counted is one too many */
  check(tool: Tool, input: unknown): void;
}

export function createCallCounts(maxOfRun: number): CallCounts {
  const made = new Map<string, number>();
  let all = 0;
  return {
    count(name, input) {
      made.set(sameness(name, input), (made.get(sameness(name, input)) ?? 0) + 1);
      made.set(name, (made.get(name) ?? 0) + 1);
      all += 1;
    },
    check({ name, maxCalls = MAX_CALLS }, input) {
      if ((made.get(name) ?? 0) > maxCalls || all > maxOfRun) {
        throw new Refused('too-many-calls', 'this tool may not be called again in this run');
      }
      if ((made.get(sameness(name, input)) ?? 0) > MAX_SAME) {
        throw new Refused('repeated', 'this very call was made before; its result will not change');
      }
    },
  };
}

/** No name of a tool holds a space. */
const sameness = (name: string, input: unknown): string => `${name} ${jsonOf(input)}`;
