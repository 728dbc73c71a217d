// `npm run dev`: builds, starts `sallyport dev`, and does both again whenever a source file changes. Arguments are passed on.
import { spawn } from 'node:child_process';
import { context } from 'esbuild';
import { bundle } from './bundle.js';

let gate;

/** Ends the gate that runs, so that its port and its data file are free, and starts the one that was just built. */
async function restart() {
  const before = gate;
  gate = undefined;
  if (before !== undefined && before.exitCode === null) {
    before.kill('SIGTERM');
    await new Promise((resolve) => before.once('exit', resolve));
  }
  gate = spawn(process.execPath, ['bin/sallyport.js', 'dev', ...process.argv.slice(2)], { stdio: 'inherit' });
}

let restarting = Promise.resolve();
const watching = await context({
  ...bundle,
  sourcemap: 'linked',
  sourcesContent: false,
  plugins: [
    ...bundle.plugins,
    {
      name: 'restart',
      setup(build) {
        build.onEnd(({ errors }) => {
          // With errors, which esbuild has printed, the gate of the last good build goes on.
          if (errors.length === 0) restarting = restarting.then(restart);
        });
      },
    },
  ],
});
await watching.watch();

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await watching.dispose();
    await restarting;
    if (gate === undefined || gate.exitCode !== null) process.exit(0);
    gate.once('exit', (code) => process.exit(code ?? 1));
    gate.kill('SIGTERM');
  });
}
