import { expect, onTestFinished, test } from 'vitest';
import { openGate } from '../../support/gate.ts';
import { message, postSlack } from '../../support/slack.ts';
import { stubTracer } from '../../support/stub-tracer.ts';

test('a delivery is stored with the span that accepted it, and its run says how it ended', async () => {
  const tracer = stubTracer();
  const gate = await openGate({ tracer });
  onTestFinished(() => gate.stop());
  const { eventId } = await postSlack(gate.app, message({ text: 'hello' }));
  const record = await gate.store.events.get('default', eventId ?? '');
  expect(record?.event.traceparent).toBe('span-2');
  await gate.drain({ tenant: 'default', key: record?.event.conversation.key ?? '' });
  const where = { tenant: 'default', channel: 'slack', eventId };
  expect(tracer.begun).toMatchObject([
    { name: 'delivery', facts: { ...where, outcome: 'accepted', status: 200, items: 1 } },
    { name: 'accept', facts: { items: 1 } },
    { name: 'run', facts: { ...where, generation: 1, attempt: 1, run: 1, agent: 'echo', outcome: 'done' } },
    { name: 'agent', facts: { agent: 'echo', outcome: 'reply' } },
    { name: 'reply', facts: { channel: 'slack', outcome: 'unsent' } },
  ]);
});

test('of a flood of forgeries only the first of its source leaves a span, as it leaves a line in the log', async () => {
  const tracer = stubTracer();
  const gate = await openGate({ tracer });
  onTestFinished(() => gate.stop());
  for (let n = 0; n < 3; n += 1) {
    const { status } = await postSlack(gate.app, message({ text: 'forged' }), { tamper: 'wrong-key' });
    expect(status).toBe(401);
  }
  expect(tracer.begun.map(({ name, isDropped }) => [name, isDropped])).toEqual([
    ['delivery', undefined],
    ['delivery', true],
    ['delivery', true],
  ]);
  expect(tracer.begun[0]?.facts).toMatchObject({ outcome: 'rejected', status: 401, code: 'ERR_SIGNATURE_MISMATCH' });
});
