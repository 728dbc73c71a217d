import { APICallError, ToolChoiceViolationError } from 'ai';
import { SallyportError } from '../../../core/errors.ts';

/** Longest `Retry-After` that is believed, in ms. A head waits 60 s in total, so more makes no difference. */
const LONGEST_MS = 3_600_000;

/** 4xx that say "later" and not "never": too early (RFC 8470), timeout, conflict, rate. */
const later: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/**
 * What a failed call of a model means. The SDK's error is not kept as cause: it holds the prompt and the answer.
 * @returns the error itself when it is one of ours that says enough
 */
export function modelFailure(error: unknown): SallyportError {
  if (error instanceof SallyportError) {
    if (error.code === 'ERR_OUTBOUND_BLOCKED') {
      return new SallyportError('ERR_MODEL_REJECTED', 'the address of the model may not be called', { cause: error });
    }
    return error.code.startsWith('ERR_OUTBOUND_') ? unavailable('the model could not be reached', error) : error;
  }
  if (ToolChoiceViolationError.isInstance(error)) {
    return new SallyportError('ERR_STEPS_EXHAUSTED', 'the model called a tool when it had to come to an end');
  }
  if (!APICallError.isInstance(error)) return unavailable('the model gave no answer that can be read');
  const { statusCode: status, responseHeaders = {}, cause } = error;
  // The SDK wraps what `fetch` threw.
  if (cause instanceof SallyportError) return modelFailure(cause);
  if (status === undefined) return unavailable('the model could not be reached');
  const text = `the model's endpoint answered ${status}`;
  if (status >= 400 && status < 500 && !later.has(status)) return new SallyportError('ERR_MODEL_REJECTED', text);
  const retryAfterMs = retryAfter(responseHeaders);
  return new SallyportError('ERR_MODEL_UNAVAILABLE', text, retryAfterMs === undefined ? {} : { retryAfterMs });
}

const unavailable = (text: string, cause?: SallyportError): SallyportError =>
  new SallyportError('ERR_MODEL_UNAVAILABLE', text, cause === undefined ? {} : { cause });

/** RFC 9110, 10.2.3: seconds or a date. OpenAI's own header counts in ms. */
function retryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const value = headers['retry-after'] ?? '';
  const ms = [
    Number.parseFloat(headers['retry-after-ms'] ?? ''),
    /^\d{1,9}$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now(),
  ].find((candidate) => Number.isFinite(candidate) && candidate > 0);
  return ms === undefined ? undefined : Math.min(ms, LONGEST_MS);
}
