import { readFileSync, statfsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/**
 * What the tests of a folder need, from nothing to a lot: `unit` neither Redis nor the build, `contracts` every driver of
 * each port, `journey` the built program and local vendors, `hostile` what attackers send, `faults` kills and outages.
 * `npm run test:unit` is the one to run while writing; its files share the modules they load, which else take a third of
 * the time. A file that replaces modules (`vi.mock`) therefore belongs to another project.
 */
const projects = ['unit', 'contracts', 'journey', 'hostile', 'faults'];

/** A gibibyte in bytes, which is many times what the folders of unit tests come to. */
const ROOM_BYTES = 1024 ** 3;

/**
 * The environment with which unit tests put their folders into memory, where there is room. None of them is about a machine
 * that loses power, and opening and closing a data file on a disk waits for that disk several times.
 */
function memoryFolder(path = '/dev/shm'): { readonly TMPDIR?: string } {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize > ROOM_BYTES ? { TMPDIR: path } : {};
  } catch {
    return {};
  }
}

export default defineConfig({
  plugins: [
    {
      // Redis scripts are plain .lua files; the build gives them to the bundle the same way (scripts/build.js).
      name: 'lua-as-text',
      load(id) {
        return id.endsWith('.lua') ? `export default ${JSON.stringify(readFileSync(id, 'utf8'))}` : null;
      },
    },
  ],
  test: {
    projects: projects.map((name) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        isolate: name !== 'unit',
        env: name === 'unit' ? memoryFolder() : {},
        // Tests wait more than they compute, so two cores take three of them. Those of faults run after all others, which
        // would only make them noisy.
        maxWorkers: 3,
        sequence: { groupOrder: name === 'faults' ? 1 : 0 },
      },
    })),
    reporters: ['default', './test/support/closing-line.ts'],
    // Room for several waits for a condition (PATIENCE_MS in test/support/clock.ts) on a machine that is loaded.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 50_000 } },
  },
});
