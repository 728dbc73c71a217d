import { z } from 'zod';
import type { Clock } from '../../../core/clock.ts';
import type { EventRecord, InboundEvent } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Steps } from '../../steps.ts';
import { cut } from '../cut.ts';
import type { Memory } from './memory.ts';

/** The journal's step for what was asked: the attempt that delivers the answer may not be the one that asked. */
const TURN_STEP = 'turn';

/** More of a question than any memory keeps would only fill the journal. */
const MAX_BYTES = 64 * 1024;

const askedSchema = z.object({ author: z.string(), asked: z.string() });

/** Notes what was asked, for `rememberTurn`. @throws SallyportError ERR_LEASE_LOST, ERR_STORE_UNAVAILABLE */
export async function noteTurn({ author, text }: InboundEvent, steps: Steps): Promise<void> {
  if (steps.earlier(TURN_STEP) !== undefined) return;
  await steps.record(TURN_STEP, { kind: 'result', value: { author: author.id, asked: cut(text, MAX_BYTES) } });
}

export interface RememberDeps {
  readonly memory: Memory | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps a turn whose answer was delivered. Never throws: the answer stands whether or not it is remembered. */
export async function rememberTurn(
  { event }: EventRecord,
  said: string,
  steps: Steps,
  { memory, clock, logger }: RememberDeps,
): Promise<void> {
  const asked = askedSchema.safeParse(steps.earlier(TURN_STEP)?.value);
  if (memory === null || !asked.success) return;
  try {
    await memory.remember(event, { id: event.id, at: clock(), ...asked.data, said });
  } catch (error) {
    logger.warn({ eventId: event.id, error }, 'memory.not-kept');
  }
}
