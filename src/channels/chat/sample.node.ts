import { randomUUID } from 'node:crypto';
import { defined } from '../../core/defined.ts';
import type { Sample, Sender, SendOptions, SignedDelivery, Tamper, TokenSpoil } from '../sample.node.ts';

const chatSender: Sender = {
  path: () => '/chat',
  statuses: { taken: [202], refused: [401] },
  async deliveries(options, context) {
    const { tamper, tenant } = options;
    // The proof does not cover the body, so the token is all there is to spoil.
    if (isSpoil(tamper)) return [delivery(bodyOf(options), await context.token(tenant, tamper), 'refused')];
    const token = await context.token(tenant);
    const body = bodyOf(options);
    const first = delivery(body, token, 'accepted');
    switch (tamper) {
      case 'replay':
        return [first, { ...first, expect: 'duplicate' }];
      case 'duplicate':
        // What a caller does that saw no answer: the same message and key, with a token of its own.
        return [first, delivery(body, await context.token(tenant), 'duplicate')];
      case 'reorder':
        return [delivery(bodyOf(options), token, 'accepted'), first];
      default:
        return [first];
    }
  },
};

const isSpoil = (tamper: Tamper | undefined): tamper is TokenSpoil =>
  tamper === 'stale' || tamper === 'future' || tamper === 'wrong-key' || tamper === 'altered';

const delivery = (body: unknown, token: string, expect: SignedDelivery['expect']): SignedDelivery => ({
  headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(body)),
  expect,
  resultPath: (eventId) => `/chat/${eventId}`,
});

function bodyOf({ payload, text, thread, index }: SendOptions): unknown {
  if (payload !== undefined) return payload;
  return {
    ...defined({ conversation: thread }),
    text: index === 0 ? text : `${text} (${index + 1})`,
    idempotencyKey: randomUUID(),
  };
}

export const chatSample: Sample = { senders: { chat: chatSender } };
