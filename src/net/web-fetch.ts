import { withinTime } from '../core/linked-signal.ts';

/** Calls to addresses that the configuration names, for a runtime that has no more than the global `fetch`. */

type Fetch = typeof globalThis.fetch;

/** Of a whole request, in ms. */
const TIMEOUT_MS = 10_000;

/** A `fetch` with a time limit that never follows a redirect: an address is configured, and it is the whole trust. */
export const openWebFetch =
  (_urls: readonly string[], { timeoutMs = TIMEOUT_MS }: { readonly timeoutMs?: number } = {}): Fetch =>
  (input, init) =>
    // The signal outlives the headers: the caller has the body still to read.
    fetch(input, { ...init, redirect: 'manual', signal: init?.signal ?? AbortSignal.timeout(timeoutMs) });

export interface WebAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface WebRequest {
  readonly method: string;
  readonly headers: Headers | Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Until the last byte of the answer, in ms. */
  readonly timeoutMs: number;
  /** Bytes of the answer's body. */
  readonly maxBytes: number;
}

/** Sends a request and reads the whole answer. Rejects when there is none in time, or a longer one. */
export const exchangeWeb = (url: string, { timeoutMs, maxBytes, ...request }: WebRequest): Promise<WebAnswer> =>
  withinTime(timeoutMs, undefined, async (signal) => {
    const response = await fetch(url, { ...request, redirect: 'manual', signal } as RequestInit);
    const { status, headers } = response;
    return { status, headers, body: await readWithin(response, maxBytes) };
  });

async function readWithin(response: Response, maxBytes: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    size += read.value.byteLength;
    if (size > maxBytes) {
      await reader.cancel();
      throw new Error('the answer is too long');
    }
    chunks.push(read.value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
