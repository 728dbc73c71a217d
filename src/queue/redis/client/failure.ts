import { SallyportError } from '../../../core/errors.ts';

/** ioredis rejects with this text when `commandTimeout` has passed. */
const TIMED_OUT = 'Command timed out';

/** The beginning of ioredis' error when `socketTimeout` has passed. */
const SILENT = 'Socket timeout';

export const isTimeout = (error: unknown): boolean => error instanceof Error && error.message === TIMED_OUT;

/**
 * What callers see of anything Redis or its client throws. The text says what kind of failure it was and nothing of the
 * command: ioredis' errors carry the arguments, which hold events.
 */
export function unavailable(error: unknown): SallyportError {
  if (error instanceof SallyportError) return error;
  return new SallyportError('ERR_STORE_UNAVAILABLE', `Redis did not serve the request (${reasonOf(error)})`);
}

/** What kind of failure it was, from a bounded set of words: never a part of the command or of its arguments. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if (isTimeout(error) || error.message.startsWith(SILENT)) return 'timeout';
  if ('code' in error && typeof error.code === 'string' && /^E[A-Z]{2,16}$/.test(error.code)) return error.code;
  // Redis' own errors begin with a code in capitals: OOM, READONLY, LOADING, MISCONF ...
  const code = /^[A-Z]{2,16}(?= )/.exec(error.message)?.[0];
  return code ?? 'connection';
}

/** Rejects as a timeout after `ms` unless the promise settles before. */
export function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(TIMED_OUT)), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
