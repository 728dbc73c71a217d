import { afterEach, describe, expect, test } from 'vitest';
import type { PostCall } from '../../../src/channels/channel.ts';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import { SallyportError } from '../../../src/core/errors.ts';
import { createScrubber } from '../../../src/scrub/scrubber.ts';
import { createSealer } from '../../../src/scrub/seal.ts';
import { SEAL_KEY, type Vendor, vendors } from '../../support/reply-kill/plan.ts';
import { createRepliers } from '../../support/reply-kill/worker-deps.ts';
import { startWorld, type World } from '../../support/reply-kill/world.ts';

/** Every channel asks the fence right before its request leaves. */

let world: World | undefined;
afterEach(async () => {
  await world?.stop();
  world = undefined;
});

const scrub = createScrubber({ crypto: nodeCrypto, key: SEAL_KEY });

/** Sends a reply with such a call; how often the fence was asked, and how many replies were posted. */
async function send(vendor: Vendor, fence: PostCall['fence']) {
  world ??= await startWorld();
  const event = world.event(vendor, `fenced-${vendor}`);
  const { tenant, id: eventId, destination } = event;
  const { signal } = new AbortController();
  let begun = 0;
  const begin = async (): Promise<PostCall> => {
    begun += 1;
    return { signal, fence };
  };
  const context = { tenant, eventId, destination, sealed: event.sealed, replyId: eventId, signal, begin };
  const outcome = await createRepliers(world.plan, scrub)
    [vendor].send({ text: 'hello' }, context)
    .then(
      ({ kind }) => kind,
      (error: unknown) => (error instanceof SallyportError ? error.code : 'error'),
    );
  return { outcome, begun, posted: world.posted() };
}

const closed = (): never => {
  throw new SallyportError('ERR_REPLY_UNAVAILABLE', 'too late');
};

describe.each(vendors)('%s', (vendor) => {
  test('posts nothing when the fence refuses', async () => {
    const { begun, posted } = await send(vendor, closed);
    expect([begun, posted]).toEqual([1, []]);
  });

  test('announces its call once, asks the fence once, and then posts', async () => {
    let asked = 0;
    const { outcome, begun, posted } = await send(vendor, () => {
      asked += 1;
    });
    expect([outcome, begun, asked, posted.length]).toEqual(['delivered', 1, 1, 1]);
  });

  test('posts nothing when the call may not begin', async () => {
    world ??= await startWorld();
    const { tenant, id: eventId, destination, sealed } = world.event(vendor, `refused-${vendor}`);
    const { signal } = new AbortController();
    const begin = () => Promise.reject(new SallyportError('ERR_LEASE_LOST', 'lost'));
    const context = { tenant, eventId, destination, sealed, replyId: eventId, signal, begin };
    const sending = createRepliers(world.plan, scrub)[vendor].send({ text: 'hello' }, context);
    await expect(sending).rejects.toMatchObject({ code: 'ERR_LEASE_LOST' });
    expect(world.posted()).toEqual([]);
  });
});

test('a response_url is posted to behind the fence as well', async () => {
  world = await startWorld();
  const sealer = createSealer(nodeCrypto, [SEAL_KEY]);
  const { tenant, id: eventId } = world.event('slack', 'fenced-slack');
  const url = new URL('/response/1', world.plan.urls.slack).href;
  const { signal } = new AbortController();
  const context = {
    ...{ tenant, eventId, replyId: eventId, signal, destination: { via: 'response_url', channel: 'C1' } },
    sealed: { response_url: sealer.seal(url, { tenant, eventId, name: 'response_url' }) },
  };
  const { slack } = createRepliers(world.plan, scrub);
  await slack.send({ text: 'hello' }, { ...context, begin: async () => ({ signal, fence: closed }) });
  expect(world.posted()).toEqual([]);
  await slack.send({ text: 'hello' }, { ...context, begin: async () => ({ signal, fence() {} }) });
  expect(world.posted()).toHaveLength(1);
});
