import { defined } from './defined.ts';
import { type ErrorCode, SallyportError } from './errors.ts';
import type { EventRecord, Run } from './event.ts';
import { TimeLimitPassed } from './linked-signal.ts';

/** Why an attempt failed, in the words of the other side: a vendor, a model's endpoint, a service, the network. */
export interface FailureCause {
  /** Its code, such as `not_in_channel`, `http_503` or `connect-failed`. */
  readonly cause?: string;
  /** The HTTP status of its answer. */
  readonly status?: number;
}

/** Errors wrap one another a few times at most. */
const MAX_DEPTH = 8;

/** Codes of Node and the operating system, and names of error classes: the author of an agent chose neither. */
const SYSTEM_CODE = /^E[A-Z0-9_]{2,39}$/;
const ERROR_NAME = /^[A-Z][A-Za-z]{0,39}Error$/;

/** What the first error of a chain that knows it says of the cause; of what an agent threw, its class or system code. */
export function causeOf(error: unknown): FailureCause {
  let at = error;
  for (let depth = 0; at instanceof SallyportError && depth < MAX_DEPTH; depth += 1) {
    const { reason, status } = at.detail;
    if (reason !== undefined || status !== undefined) return defined({ cause: reason, status });
    at = at.cause;
  }
  if (!(at instanceof Error) || at instanceof SallyportError || at === error) return {};
  if (at instanceof TimeLimitPassed) return { cause: 'timeout' };
  const { name } = at;
  const { code } = at as { readonly code?: unknown };
  if (typeof code === 'string' && SYSTEM_CODE.test(code)) return { cause: code };
  return ERROR_NAME.test(name) ? { cause: name } : {};
}

/** What keeps an event from being answered. */
export interface Failure extends FailureCause {
  readonly code: ErrorCode;
  /** When attempts or time ran out: the code of the last attempt. `cause` and `status` are that attempt's as well. */
  readonly lastCode?: ErrorCode;
}

const exhausted: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ERR_ATTEMPTS_EXHAUSTED', 'ERR_BACKOFF_EXHAUSTED']);

/** An event's failure with the cause that its last attempt recorded; undefined for an event that did not fail. */
export function failureOf({ failure, runs }: Pick<EventRecord, 'failure' | 'runs'>): Failure | undefined {
  if (failure === undefined) return undefined;
  const { code } = failure;
  const last: Run | undefined = runs.at(-1);
  if (exhausted.has(code)) return { code, ...defined({ lastCode: last?.code }), ...recordedCause(last) };
  return last?.code === code ? { code, ...recordedCause(last) } : { code };
}

const recordedCause = (run: Run | undefined): FailureCause => defined({ cause: run?.cause, status: run?.status });
