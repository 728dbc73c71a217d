import { afterEach, expect, test, vi } from 'vitest';
import { createSlackReplier } from '../../../src/channels/slack/reply/reply.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { silentLogger } from '../../../src/core/logger.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { startSlackServer } from '../../../src/testing/slack/server.ts';
import { createFakeClock } from '../../support/clock.ts';
import { openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';
import { vendorFetch } from '../../support/vendor-fetch.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test('an event that is parked and redriven while Slack is still posting its reply gets one reply', async () => {
  const clock = createFakeClock();
  const slack = await startSlackServer({ clock: clock.now });
  cleanups.push(slack.stop);
  const sealer = createSealer(nodeCrypto, [new Uint8Array(32).fill(7)]);
  const account = { apiUrl: slack.url, botToken: 'xoxb-local-token-for-tests' };
  const gate = await openGate({
    clock: clock.now,
    replier: createSlackReplier({ ...account, fetch: vendorFetch(slack.url), sealer, logger: silentLogger }),
  });
  cleanups.push(gate.stop);
  slack.failNext({ kind: 'delay', ms: 1_000, method: 'chat.postMessage' });
  const { eventId } = await postSlack(gate.app, message({ text: 'hi', at: clock.now() }), { at: clock.now() });
  const id = eventId ?? '';
  const key = (await gate.store.events.get('default', id))?.event.conversation.key ?? '';
  const posting = gate.drain({ tenant: 'default', key });
  await vi.waitFor(() => expect(slack.calls).toContain('chat.postMessage'), { timeout: 15_000 });
  await gate.store.events.park('default', id);
  expect(await gate.store.events.redrive('default', id)).toMatchObject({ kind: 'ok' });
  // Slack has not got it yet, so a look finds nothing; that proves nothing before the intent is settled.
  await gate.drain({ tenant: 'default', key });
  expect(slack.posts).toEqual([]);
  expect(await gate.store.events.get('default', id)).toMatchObject({ state: 'waiting', attempts: 0 });
  await posting;
  clock.advance(20_000);
  await gate.drain({ tenant: 'default', key });
  expect(await gate.store.events.get('default', id)).toMatchObject({ state: 'done', generation: 2 });
  expect(slack.posts).toHaveLength(1);
});
