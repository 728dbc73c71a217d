import type { IncomingMessage } from 'node:http';
import { type BodyLimits, bodyAborted, bodyTimedOut, bodyTooLarge } from './body.ts';

/**
 * Reads a Node request directly: the detour through a web stream costs more than the rest of the ingress together
 * (bench/README.md). Same contract as `readBodyStream`.
 */
export function readIncoming(incoming: IncomingMessage, limits: BodyLimits): Promise<Uint8Array> {
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
