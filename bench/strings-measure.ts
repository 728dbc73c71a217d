import { nodeCrypto } from '../src/core/crypto/crypto.node.ts';
import { makeStringsFast } from '../src/queue/redis/client/connection.ts';
import { createScrubber } from '../src/scrub/scrubber.ts';

// MB/s at which chat is scrubbed in a process that has loaded nothing else, or Redis' client, or that and the remedy.
const [world] = process.argv.slice(2);
if (world !== 'alone') await import('ioredis');
if (world === 'remedy') makeStringsFast();
const scrub = createScrubber({ crypto: nodeCrypto, key: new Uint8Array(32).fill(7) });
const text =
  'please have a look at the figures of last week, and ping @maria when https://example.org/pull/4711 is in\n'
    .repeat(160)
    .slice(0, 16_384);
const startedAt = performance.now();
let calls = 0;
while (performance.now() - startedAt < 1_000) {
  scrub(text);
  calls += 1;
}
console.log(((calls * text.length) / (performance.now() - startedAt) / 1_000).toFixed(0));
