/**
 * A second process on one data file: `embedded-child.ts <accept|insist|work> <path>`. Started by the fault tests,
 * killed by them too. `accept` ends when the store refuses, `insist` asks again. Each line it writes is a fact: `opening`, `open`, `accepted <event>` once the store said so, `ran <id>`, `refused <code>`.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { codeOf } from '../../src/core/errors.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { openEmbeddedStore } from '../../src/queue/embedded/open.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createEventMaker, runEnding } from './events.ts';

const [mode, path = ''] = process.argv.slice(2);

/** Synchronous, so that what was said is out before a kill. The pipe does not block: a slow reader is waited for. */
function say(fact: string): void {
  let rest = Buffer.from(`${fact}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Accepts without end, several at a time, so that a kill meets transactions of more than one event. */
async function acceptForEver(store: Store, isInsisting: boolean): Promise<void> {
  const event = createEventMaker(Date.now);
  const loop = async () => {
    for (;;) {
      // Random, because a child of the next round must not repeat the identities of this one.
      const identity = { key: randomUUID(), fingerprint: 'same' };
      const next = event({ identity, payload: 'x'.repeat(2_000) });
      const [answer] = await store.inbox.accept([next]).catch((error: unknown) => {
        if (isInsisting && codeOf(error) === 'ERR_STORE_UNAVAILABLE') return [];
        throw error;
      });
      if (answer === undefined) continue;
      say(`${answer?.outcome} ${JSON.stringify({ ...next, payload: '' })}`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, loop));
}

function workForEver(store: Store): void {
  store.jobs.consume({
    concurrency: 4,
    run: async (conversation) => {
      let taken = await store.lease.take(conversation);
      while (taken.kind === 'head') {
        say(`ran ${taken.record.event.id}`);
        taken = await store.lease.finish(taken.lease, { kind: 'done', run: runEnding('replied') }, true);
      }
    },
  });
}

try {
  say('opening');
  const store = await openEmbeddedStore({ path, limits: defaultLimits, idCheck: 'check', logger: silentLogger });
  say('open');
  if (mode === 'accept' || mode === 'insist') await acceptForEver(store, mode === 'insist');
  else workForEver(store);
} catch (error) {
  say(`refused ${codeOf(error)}`);
  process.exit(1);
}
