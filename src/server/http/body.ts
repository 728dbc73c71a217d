import { SallyportError } from '../../core/errors.ts';

export interface BodyLimits {
  /** Bytes, counted while reading: a `content-length` may lie and a chunked body has none. */
  readonly maxBytes: number;
  /** Milliseconds until the last byte must have arrived. */
  readonly timeoutMs: number;
}

/**
 * Reads a whole body.
 * @throws SallyportError ERR_BODY_TOO_LARGE, ERR_BODY_TIMEOUT, ERR_BODY_ABORTED
 */
export type ReadBody = (request: Request, limits: BodyLimits) => Promise<Uint8Array>;

export const bodyTooLarge = (): SallyportError =>
  new SallyportError('ERR_BODY_TOO_LARGE', 'the body is over the limit');
export const bodyTimedOut = (): SallyportError => new SallyportError('ERR_BODY_TIMEOUT', 'the body came too slowly');
export const bodyAborted = (cause?: unknown): SallyportError =>
  new SallyportError('ERR_BODY_ABORTED', 'the body ended early', { cause });

/** For every runtime that has web streams. */
export const readBodyStream: ReadBody = async (request, limits) => {
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(bodyTimedOut()), limits.timeoutMs);
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), deadline]);
      if (done) return concatenate(chunks, size);
      size += value.byteLength;
      if (size > limits.maxBytes) throw bodyTooLarge();
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error instanceof SallyportError ? error : bodyAborted(error);
  } finally {
    clearTimeout(timer);
  }
};

function concatenate(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const first = chunks[0];
  if (first !== undefined && chunks.length === 1) return first;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
