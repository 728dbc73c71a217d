import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

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
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Fault tests kill real processes in real time, on shared machines with two cores. A retry shows as one.
    retry: process.env.CI === 'true' ? 2 : 0,
    // Two cores: more workers than that only makes the fault tests noisy.
    maxWorkers: 2,
  },
});
