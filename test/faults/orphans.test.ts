import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureBuilt } from '../support/built.ts';
import { endWithParent } from '../support/children.ts';
import { testFolder } from '../support/folder.ts';
import { describeRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '..', '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');

interface Pids {
  readonly worker: number;
  readonly runner: number;
  readonly pids: readonly number[];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A test runner of its own, amid a test that has children. */
async function startRunner(): Promise<Pids> {
  await ensureBuilt();
  const folder = await testFolder();
  const config = join(folder, 'vitest.config.mjs');
  const include = ['test/support/orphans-child.ts'];
  await writeFile(config, `export default { test: { include: ${JSON.stringify(include)} } };`);
  const env = { ...process.env, ORPHANS_FOLDER: folder };
  endWithParent(spawn(process.execPath, [vitest, 'run', '--root', root, '--config', config], { env, stdio: 'ignore' }));
  const file = join(folder, 'pids.json');
  await until('the children have started', () => existsSync(file) && readFileSync(file, 'utf8').endsWith('}'));
  return JSON.parse(readFileSync(file, 'utf8')) as Pids;
}

describeRedis('a test runner that is killed leaves no process behind', () => {
  test.each(['worker', 'runner'] as const)('when its %s gets SIGKILL', { timeout: 120_000 }, async (victim) => {
    const { pids, ...runner } = await startRunner();
    expect(pids.filter(isAlive)).toHaveLength(4);
    process.kill(runner[victim], 'SIGKILL');
    const all = [runner.worker, runner.runner, ...pids];
    await until('every process of it is gone', () => all.filter(isAlive).length === 0, { withinMs: 10_000 });
  });
});
