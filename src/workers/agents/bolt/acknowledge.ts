import type { AckFn } from '@slack/bolt';
import { SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { GuardedFetch } from '../../../net/guarded-fetch.ts';
import type { Steps } from '../../steps.ts';

export interface AckDeps {
  readonly event: InboundEvent;
  readonly responseUrl: string | null;
  /** Of this generation. */
  readonly step: string;
  readonly steps: Steps;
  readonly signal: AbortSignal;
  readonly fetch: GuardedFetch;
  readonly logger: Logger;
}

/**
 * Slack had its answer when the gate accepted the event, so `ack()` is done. What a listener gives it for the user to see
 * goes to the `response_url`, once over all attempts; what only the answer itself could have done (errors of a view,
 * options of a menu) is lost, and said so in the log.
 */
export function createAck(deps: AckDeps): AckFn<unknown> {
  const { event, responseUrl, step, steps, logger } = deps;
  return async (value) => {
    if (value === undefined || value === null || value === '') return;
    const isMessage = event.kind === 'command' || event.kind === 'action';
    if (!isMessage || responseUrl === null) {
      logger.warn({ eventId: event.id, kind: event.kind }, 'bolt.ack-lost');
      return;
    }
    if (steps.earlier(step) !== undefined) return;
    await post(responseUrl, typeof value === 'string' ? { text: value } : value, deps);
    await steps.record(step, { kind: 'result', value: null });
  };
}

/** @throws SallyportError ERR_AGENT_FAILED, ERR_OUTBOUND_BLOCKED and the other codes of the guarded client */
async function post(url: string, message: unknown, { fetch, signal }: AckDeps): Promise<void> {
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message), signal });
  if (status !== 200) throw new SallyportError('ERR_AGENT_FAILED', 'Slack did not take what was given to ack');
}
