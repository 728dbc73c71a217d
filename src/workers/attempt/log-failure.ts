import { SallyportError } from '../../core/errors.ts';
import type { EventRecord } from '../../core/event.ts';
import type { Logger } from '../../core/logger.ts';

/**
 * Says why an attempt failed: our own words in a row, and whatever somebody else's code threw beneath them, with its stack.
 * It is the only place where the author of an agent sees what it threw.
 */
export function logFailure(error: unknown, { event }: EventRecord, agent: string | undefined, logger: Logger): void {
  const reasons: string[] = [];
  let at = error;
  while (at instanceof SallyportError) {
    reasons.push(at.message);
    at = at.cause;
  }
  const foreign = at === undefined ? {} : { error: at };
  logger.warn({ eventId: event.id, agent, reason: reasons.join(': '), ...foreign }, 'attempt.failed');
}
