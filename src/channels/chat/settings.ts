import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { durationAtLeast } from '../../core/setting-values.ts';

/** Every tenant has it: who may use it is said by the tokens that are made for it. */
export const chatSchema = setting(z.strictObject({}).prefault({}), {
  description: '`POST /chat`, for tokens with the scope `chat:write`; there is nothing to set of it',
  default: '–',
});

export type ChatConfig = z.output<typeof chatSchema>;

/** How long an idempotency key is remembered, in ms. */
export const chatWindow = setting(
  durationAtLeast(60_000, 'a caller that saw no answer needs time to try again').prefault('24h'),
  { description: 'how long an idempotency key is remembered; at least 1m' },
);
