import { codeOf, type ErrorCode, SallyportError } from '../../core/errors.ts';
import type { Run } from '../../core/event.ts';
import type { Outcome } from '../../queue/lease.ts';
import { BudgetExhausted } from '../budget/exhausted.ts';
import { backoffMs } from './backoff.ts';

/** Codes after which trying again may help. Everything else is parked at once: a person has to look. */
const retryable: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_AGENT_FAILED',
  'ERR_AGENT_TIMEOUT',
  'ERR_MODEL_UNAVAILABLE',
  'ERR_GUARDRAIL_UNAVAILABLE',
  // Only seen when the store was away too long to tell; a lease that is really gone answers `stale` to the finish.
  'ERR_LEASE_LOST',
  'ERR_SOURCE_UNAVAILABLE',
  'ERR_REPLY_UNAVAILABLE',
  'ERR_REPLY_UNCONFIRMED',
  'ERR_QUEUE_FULL',
  'ERR_STORE_UNAVAILABLE',
]);

export interface Failed {
  readonly error: unknown;
  readonly attempt: number;
  /** What was used, and who was asked. */
  readonly asked: Pick<Run, 'usage' | 'agent'>;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly random: () => number;
}

/** How an attempt that threw ends. */
export function failureOutcome({ error, attempt, asked, startedAt, finishedAt, random }: Failed): Outcome {
  const code = codeOf(error);
  const ended = { startedAt, finishedAt, ...asked, code };
  if (error instanceof BudgetExhausted && error.next === 'drop') {
    return { kind: 'done', run: { ...ended, outcome: 'silent' } satisfies Run };
  }
  if (!retryable.has(code)) return { kind: 'parked', code, run: { ...ended, outcome: 'parked' } satisfies Run };
  const retryAfterMs = error instanceof SallyportError ? error.retryAfterMs : undefined;
  const delayMs = backoffMs(attempt, retryAfterMs, random);
  return { kind: 'retry', code, delayMs, run: { ...ended, outcome: 'retry' } satisfies Run };
}
