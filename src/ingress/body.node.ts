import type { IncomingMessage } from 'node:http';
import { type BodyLimits, bodyAborted, bodyTimedOut, bodyTooLarge } from './body.ts';

/** Async, so that a refusal is a rejection here as well. */
async function takeBuffered(incoming: IncomingMessage, { maxBytes }: BodyLimits): Promise<Uint8Array> {
  if (incoming.readableLength > maxBytes) throw bodyTooLarge();
  return incoming.read() as Buffer;
}

/**
 * Reads a Node request directly: the detour through a web stream costs more than the rest of the ingress together
 * (bench/README.md). Same contract as `readBodyStream`.
 */
export function readIncoming(incoming: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
  // A small body comes with its headers and is there already: nothing to listen for and nothing to time.
  if (incoming.complete && incoming.readableLength > 0) return takeBuffered(incoming, limits);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      incoming.off('data', onData).off('end', onEnd).off('error', onAbort).off('close', onAbort);
      end();
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > limits.maxBytes) settle(() => reject(bodyTooLarge()));
      else chunks.push(chunk);
    };
    const onEnd = (): void =>
      settle(() => resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size)));
    const onAbort = (cause?: unknown): void => settle(() => reject(bodyAborted(cause)));
    const timer = setTimeout(() => settle(() => reject(bodyTimedOut())), limits.timeoutMs);
    incoming.on('data', onData).on('end', onEnd).on('error', onAbort).on('close', onAbort);
  });
}
