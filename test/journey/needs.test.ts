import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { testFolder } from '../support/folder.ts';
import { seeds } from '../support/seeds.ts';

/** Whole runs of a few suites, as `npm test` starts them, on a machine that lacks what they need. */

const root = join(import.meta.dirname, '..', '..');
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');

/** Runs these test files with no program on the PATH and without collected samples, unless the environment says more. */
async function runSuites(files: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const PATH = await testFolder();
  const env = { PATH, SALLYPORT_TEST_SAMPLES: join(PATH, 'nowhere'), ...environment };
  const args = [vitest, 'run', '--no-color', ...files];
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const lines = out.trimEnd().split('\n');
  const skipped = lines.filter((line) => line.startsWith('skipped '));
  return { code, out, skipped, last: lines.at(-1) ?? '' };
}

const REDIS = 'test/contracts/redis-ledger.test.ts';
const VECTORS = 'test/unit/channels/slack-verify.test.ts';
const MISSING_REDIS = 'missing redis-server 7 or later, redis-cli: `npm run setup` installs it';
const MISSING_VECTORS =
  'missing collected samples, vectors/protocol-vectors.json: `SALLYPORT_TEST_SAMPLES` is their folder, or `none`';

describe('without a program and without the collected samples', () => {
  test('suites are skipped, counted, and named by what is missing', async () => {
    const { code, skipped, last } = await runSuites([REDIS, VECTORS]);
    expect(code).toBe(0);
    const [passed, failed, all] = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(last)?.slice(1).map(Number) ?? [];
    const counts = skipped.map((line) => /^skipped (\d+): (.*)$/.exec(line)?.slice(1) ?? []);
    expect(counts.map(([, why]) => why).sort()).toEqual([MISSING_VECTORS, MISSING_REDIS].sort());
    expect(counts.reduce((sum, [count]) => sum + Number(count), 0)).toBe(all);
    expect([passed, failed]).toEqual([expect.toSatisfy((count: number) => count > 0), 0]);
  });

  test('they fail with CI=true, each with what is missing', async () => {
    const { code, out, skipped, last } = await runSuites([REDIS, VECTORS], { CI: 'true' });
    expect(code).toBe(1);
    expect(skipped).toEqual([]);
    expect(last).toMatch(/^\d+ passed, 2 failed$/);
    expect(out).toContain(MISSING_REDIS);
    expect(out).toContain(MISSING_VECTORS);
  });

  test('with CI=true, samples that are declared to be absent are skipped and counted', async () => {
    const { code, skipped, last } = await runSuites([VECTORS], { CI: 'true', SALLYPORT_TEST_SAMPLES: 'none' });
    expect(code).toBe(0);
    expect(skipped).toEqual([expect.stringMatching(/^skipped \d+: missing collected samples/)]);
    expect(last).toMatch(/^\d+ passed, 0 failed, \d+ skipped$/);
  });
});

describe('the number of seeds', () => {
  beforeEach(() => void vi.stubEnv('SALLYPORT_TEST_SEEDS', ''));
  afterEach(() => void vi.unstubAllEnvs());

  test('is three unless the setting says more', () => {
    expect(seeds()).toEqual([1, 2, 3]);
    vi.stubEnv('CI', 'true');
    expect(seeds()).toEqual([1, 2, 3]);
    vi.stubEnv('SALLYPORT_TEST_SEEDS', '5');
    expect(seeds()).toEqual([1, 2, 3, 4, 5]);
  });

  test.each(['0', '-1', '2.5', 'many'])('is refused when it is %s, rather than running no seed at all', (value) => {
    vi.stubEnv('SALLYPORT_TEST_SEEDS', value);
    expect(seeds).toThrow('SALLYPORT_TEST_SEEDS must be an integer of at least 1');
  });
});
