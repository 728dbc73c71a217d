import { expect, test } from 'vitest';
import { nodeCrypto } from '../../../src/core/crypto/crypto.node.ts';
import type { EventRecord } from '../../../src/core/event.ts';
import { createIdentifier } from '../../../src/core/identity.ts';
import { replyDigest } from '../../../src/core/review.ts';
import { createScrubber } from '../../../src/scrub/scrubber.ts';
import { approvedReply } from '../../../src/workers/review/hold-reply.ts';
import { openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';

const key = new Uint8Array(32).fill(7);
const deps = { identifier: createIdentifier(nodeCrypto, key), scrub: createScrubber({ crypto: nodeCrypto, key }) };

/** An event whose reply was approved with this text. */
async function approved(text: string): Promise<EventRecord> {
  const gate = await openGate({});
  const { eventId } = await postSlack(gate.app, message({ text: 'hello' }));
  const record = await gate.store.events.get('default', eventId ?? '');
  await gate.stop();
  if (record === null) throw new Error('expected a record');
  const { event, generation } = record;
  const version = { text, version: 1, generation };
  const digest = replyDigest(deps.identifier, { ...version, event });
  const requester = { id: 'U1', kind: 'user' } as const;
  const decision = { kind: 'approved', by: 'ada', at: 2 } as const;
  return { ...record, review: { ...version, digest, heldAt: 1, expiresAt: 3, requester, decision } };
}

test('an approved text is sent as it is', async () => {
  expect(approvedReply(await approved('all is well'), deps)).toBe('all is well');
});

test('one that holds what the scrubber has learnt to recognise since is not sent', async () => {
  const token = ['gh', 'p_', 'q7Xw2LmZ9v', 'b1C2d3E4f5', 'G6h7J8k9L0mNpQrS'].join('');
  const record = await approved(`it is ${token}`);
  expect(() => approvedReply(record, deps)).toThrow(expect.objectContaining({ code: 'ERR_REVIEW_CHANGED' }));
});
