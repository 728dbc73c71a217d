import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Files whose skipped tests name no need are listed up to this many; `vitest -t` skips tests in all of them. */
const MOST_FILES = 5;

/** Files named with how long they took, when there are more than that. */
const SLOWEST = 10;

/** Ends the run with what was skipped and why, and then one plain line that any tool can read. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[] = []): void {
    // Errors outside of any test fail the run and must show.
    const count = { passed: 0, failed: errors.length, skipped: 0 };
    const needs = new Map<string, number>();
    const files = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state !== 'pending') count[state] += 1;
        if (state !== 'skipped') continue;
        const need = needOf(test);
        if (need === undefined) add(files, module.relativeModuleId);
        else add(needs, need);
      }
      // A file that does not load holds no tests and must still show.
      if (module.state() === 'failed' && module.errors().length > 0) count.failed += 1;
    }
    const slowest = modules.toSorted((a, b) => secondsOf(b) - secondsOf(a)).slice(0, SLOWEST);
    const lines = [
      ...(modules.length > SLOWEST ? slowest.map((one) => `${secondsOf(one)} s in ${one.relativeModuleId}`) : []),
      ...[...needs].map(([need, tests]) => `skipped ${tests}: missing ${need}`),
      ...[...files].slice(0, MOST_FILES).map(([file, tests]) => `skipped ${tests}: in ${file}`),
      ...(files.size > MOST_FILES ? [`skipped more: in ${files.size - MOST_FILES} other files`] : []),
      `${count.passed} passed, ${count.failed} failed${count.skipped === 0 ? '' : `, ${count.skipped} skipped`}`,
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }
}

const secondsOf = (module: TestModule): number => Math.round(module.diagnostic().duration / 1000);

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);

function needOf(test: TestCase): string | undefined {
  for (let task: TestCase | TestCase['parent'] = test; task.type !== 'module'; task = task.parent) {
    const { needs } = task.meta();
    if (needs !== undefined) return needs;
  }
  return undefined;
}
