import type { PostCall } from '../../channels/channel.ts';
import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json/json.ts';
import { type LinkedSignal, linkSignals } from '../../core/linked-signal.ts';
import { START_MS } from '../../core/reply-timing.ts';
import type { Journal } from '../../queue/journal.ts';
import type { HeldLease } from '../../queue/lease.ts';

export interface PostCallOptions {
  readonly journal: Journal;
  readonly lease: HeldLease;
  readonly step: string;
  /** What the journal keeps of the message. */
  readonly value: JsonObject;
  /** Time limit of the call, in ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** The run's. */
  readonly signal: AbortSignal;
}

/** The call that posts one message, as the worker sees it. */
export interface PendingCall {
  /** `SendContext.begin` */
  readonly begin: () => Promise<PostCall>;
  /** Whether the intent may have been recorded: from then on the reply may have been posted. */
  hasBegun(): boolean;
  /** Why the call could not start. Then nothing was posted, whatever the channel made of it. */
  refusal(): unknown;
  /** Takes the time limit back; must be called once the call is over. */
  end(): void;
}

/**
 * Half as long again as the call may take, and the time until it starts: by then its worker has noticed that it is over,
 * alive or not.
 */
const holdMs = (timeoutMs: number): number => START_MS + timeoutMs * 1.5;

/** The time limit of the call that an intent announced, in ms: another process may have been given another one. */
export const limitOfIntent = (value: JsonValue): number =>
  isJsonObject(value) && typeof value.limitMs === 'number' ? value.limitMs : 0;

/** Records the intent, then lets one call start within `START_MS` of it and last no longer than its time limit. */
export function createPostCall({
  journal,
  lease,
  step,
  value,
  timeoutMs,
  clock,
  signal,
}: PostCallOptions): PendingCall {
  let limit: LinkedSignal | undefined;
  let begunAt: { readonly wall: number; readonly monotonic: number } | undefined;
  let hasPassed = false;
  let refusal: unknown;

  // Taken before the intent is recorded, so that it is never younger than the intent. The wall clock sees the time for
  // which the machine was suspended, the monotonic one cannot be set back.
  const elapsedMs = ({ wall, monotonic }: NonNullable<typeof begunAt>): number =>
    Math.max(clock() - wall, performance.now() - monotonic);

  const fence = (): void => {
    if (begunAt === undefined || elapsedMs(begunAt) > START_MS) {
      refusal = new SallyportError('ERR_REPLY_UNAVAILABLE', 'the reply could not be posted in time after its intent');
      throw refusal;
    }
    hasPassed = true;
  };

  const record = async (): Promise<void> => {
    const isOurs = await journal.record(
      lease,
      step,
      { kind: 'intent', value: { ...value, limitMs: timeoutMs } },
      holdMs(timeoutMs),
    );
    if (!isOurs || signal.aborted) throw new SallyportError('ERR_LEASE_LOST', 'another worker has the conversation');
  };

  return {
    async begin() {
      begunAt = { wall: clock(), monotonic: performance.now() };
      await record().catch((error: unknown) => {
        refusal = error;
        throw error;
      });
      limit = linkSignals([signal], { ms: timeoutMs });
      return { signal: limit.signal, fence };
    },
    hasBegun: () => begunAt !== undefined,
    refusal: () => (hasPassed ? undefined : refusal),
    end: () => limit?.release(),
  };
}
