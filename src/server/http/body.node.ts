import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { DeliveryHeaders } from '../../channels/channel.ts';
import type { PooledBody } from '../limits/bodies.node.ts';
import { type BodyLimits, bodyAborted, bodyTimedOut, bodyTooLarge } from './body.ts';

let waiting: (() => void)[] = [];

/** Resolves once this turn of the event loop has read what the sockets had. */
const endOfTurn = (): Promise<void> =>
  new Promise((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(wake);
  });

function wake(): void {
  const all = waiting;
  waiting = [];
  for (const resolve of all) resolve();
}

/**
 * Reads a Node request directly: the detour through a web stream costs more than the rest of the ingress together
 * (bench/README.md). Same contract as `readBodyStream`. `enter` counts a body that does not come at once among those that
 * are in flight; it calls its argument when this one has to make room.
 */
export async function readIncoming(
  incoming: IncomingMessage,
  limits: BodyLimits,
  enter?: (onCut: () => void) => PooledBody,
): Promise<Uint8Array> {
  await endOfTurn();
  // A small body comes in one piece with its headers: nothing to listen for and nothing to time.
  if (!incoming.complete || incoming.readableLength === 0) {
    // Whoever hung up before, while a token was verified, says nothing more that could be listened for.
    if (incoming.destroyed) throw bodyAborted();
    return listenFor(incoming, limits, enter);
  }
  if (incoming.readableLength > limits.maxBytes) throw bodyTooLarge();
  return incoming.read() as Buffer;
}

function listenFor(
  incoming: IncomingMessage,
  limits: BodyLimits,
  enter: ((onCut: () => void) => PooledBody) | undefined,
): Promise<Uint8Array> {
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
      if (size > limits.maxBytes) {
        fail(bodyTooLarge());
        return;
      }
      chunks.push(chunk);
      pooled?.add(chunk.length);
    };
    const fail = (error: Error): void =>
      settle(() => {
        pooled?.leave();
        reject(error);
      });
    // It keeps its place until it has been put together, and can no longer be cut by then.
    const onEnd = (): void => settle(() => resolve(join(chunks, size).finally(() => pooled?.leave())));
    const onAbort = (cause?: unknown): void => fail(bodyAborted(cause));
    const onLate = (): void => fail(bodyTimedOut());
    const timer = setTimeout(onLate, limits.timeoutMs);
    const pooled = enter?.(onLate);
    incoming.on('data', onData).on('end', onEnd).on('error', onAbort).on('close', onAbort);
  });
}

/**
 * Bytes that are copied in one turn of the event loop. Memory that is new to the process is slow: on a virtual machine 4 MiB of
 * it took up to 38 ms to fill, for which everybody else had to wait.
 */
const COPIED_A_TURN = 256 * 1024;

async function join(chunks: readonly Buffer[], size: number): Promise<Uint8Array> {
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  const whole = Buffer.allocUnsafeSlow(size);
  let at = 0;
  let inTurn = 0;
  for (const chunk of chunks) {
    if (inTurn > 0 && inTurn + chunk.length > COPIED_A_TURN) {
      await endOfTurn();
      inTurn = 0;
    }
    whole.set(chunk, at);
    at += chunk.length;
    inTurn += chunk.length;
  }
  return whole;
}

/** Node's own header object; making a web `Headers` of it first takes as long as routing the request. */
export const nodeHeaders = (headers: IncomingHttpHeaders): DeliveryHeaders => ({
  get(name) {
    const value = headers[name];
    // Node keeps a list only for set-cookie, which no request carries; other repeated headers it joins by ', '.
    return typeof value === 'string' ? value : null;
  },
});
