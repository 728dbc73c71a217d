import { isAcknowledged, type PushRequest } from './pubsub-sender.ts';

export interface PushDeliveryOptions {
  /** Sends one push; resolves with the gate's status, or null when none came in time. */
  readonly post: (push: PushRequest) => Promise<number | null>;
  /** Waits that many milliseconds of whoever's time this is. */
  readonly pause: (ms: number) => Promise<void>;
  /** Attempts before a push is given up, as a dead-letter policy does. Default 100. */
  readonly maxAttempts?: number;
}

export interface PushAttempt {
  readonly push: PushRequest;
  readonly status: number | null;
  /** Milliseconds the whole subscription waited before it. */
  readonly waitedMs: number;
}

export interface PushDeliveries {
  /** Delivers in order, each until it is acknowledged or given up; resolves with every attempt. */
  deliver(pushes: readonly PushRequest[]): Promise<PushAttempt[]>;
}

/** Push back-off of a subscription: between 100 ms and 60 s (cloud.google.com/pubsub/docs/push). */
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 60_000;
const MAX_ATTEMPTS = 100;

/**
 * A push subscription as Pub/Sub runs it: whatever is not acknowledged is sent again, and every refusal slows down the
 * whole subscription, whichever mailbox it was about.
 */
export function startPushDeliveries(options: PushDeliveryOptions): PushDeliveries {
  const { post, pause, maxAttempts = MAX_ATTEMPTS } = options;
  let backoffMs = 0;
  return {
    async deliver(pushes) {
      const waiting = pushes.map((push) => ({ push, attempts: 0 }));
      const attempts: PushAttempt[] = [];
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const waitedMs = backoffMs;
        if (waitedMs > 0) await pause(waitedMs);
        const status = await post(next.push);
        attempts.push({ push: next.push, status, waitedMs });
        if (status !== null && isAcknowledged(status)) {
          backoffMs = backoffMs <= MIN_BACKOFF_MS ? 0 : backoffMs / 2;
        } else {
          backoffMs = Math.min(MAX_BACKOFF_MS, Math.max(MIN_BACKOFF_MS, backoffMs * 2));
          // At the end of the line: Pub/Sub keeps no order.
          if (next.attempts + 1 < maxAttempts) waiting.push({ push: next.push, attempts: next.attempts + 1 });
        }
      }
      return attempts;
    },
  };
}
