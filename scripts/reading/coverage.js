// Preloaded into a gate with `node --import`: answers every message of its parent with the functions that were called since
// the message before, as V8 counts them. Only calls count: a function that was called earlier and is resumed does not.
import { Session } from 'node:inspector/promises';

const bundle = new URL('../../dist/', import.meta.url).href;
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });

process.on('message', async () => {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const scripts = result.filter(({ url }) => url.startsWith(bundle));
  process.send?.(
    scripts.map(({ url, functions }) => {
      const ranges = functions.flatMap(({ ranges }) => ranges.slice(0, 1));
      // The range of a module's top level is the whole script: what ran there ran because somebody imported it.
      const end = Math.max(...ranges.map(({ endOffset }) => endOffset));
      const called = ranges.filter(({ count, startOffset, endOffset }) => count > 0 && endOffset - startOffset < end);
      return { url, offsets: called.map(({ startOffset }) => startOffset) };
    }),
  );
});
// Waiting for a question must not keep a gate alive that has stopped.
process.channel?.unref();
