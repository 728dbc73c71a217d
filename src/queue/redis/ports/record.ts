import type { ErrorCode } from '../../../core/errors.ts';
import {
  type EventRecord,
  type EventState,
  type HeldReply,
  type InboundEvent,
  noUsage,
  type Run,
} from '../../../core/event.ts';

/** The fields of an event's hash. Names of at most six characters cost no more memory than one of one character. */
interface Fields {
  /** The accepted event as JSON, rewritten only by an erasure. */
  readonly event: string;
  readonly state: EventState;
  /** `eligibleAt` */
  readonly since: string;
  /** Deliveries after the first. */
  readonly again?: string;
  /** A twin delivery knew that the app was addressed by name. */
  readonly named?: string;
  /** The identity key, for an event that holds it only until it starts. */
  readonly seen?: string;
  /** Generation; absent: the first. */
  readonly gen?: string;
  /** Attempts in this generation. */
  readonly tries?: string;
  /** Code of the failure that parked it. */
  readonly code?: ErrorCode;
  /** The latest held reply as JSON; `digest` and `until` of it stand beside it for the scripts, with the last `claim`. */
  readonly review?: string;
  /** How many runs there are; each is JSON in `run<n>`. */
  readonly runs?: string;
  readonly [run: `run${number}`]: string;
}

/** An event's record from its hash as HGETALL answers: names and values in turn. Null when there is none. */
export function decodeRecord(flat: readonly string[]): EventRecord | null {
  if (flat.length === 0) return null;
  const pairs: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i] as string, flat[i + 1] as string]);
  const fields = Object.fromEntries(pairs) as unknown as Fields;
  const event = JSON.parse(fields.event) as InboundEvent;
  return {
    event: fields.named === undefined ? event : { ...event, mentioned: true },
    state: fields.state,
    generation: Number(fields.gen ?? 1),
    attempts: Number(fields.tries ?? 0),
    deliveries: 1 + Number(fields.again ?? 0),
    eligibleAt: Number(fields.since),
    runs: decodeRuns(fields),
    ...(fields.code !== undefined && { failure: { code: fields.code } }),
    ...(fields.review !== undefined && { review: JSON.parse(fields.review) as HeldReply }),
  };
}

/** A run that was begun and never ended is lost, unless it is the one going on. */
function decodeRuns(fields: Fields): Run[] {
  const count = Number(fields.runs ?? 0);
  return Array.from({ length: count }, (_, i) => {
    const run: Run = {
      usage: noUsage,
      ...(JSON.parse(fields[`run${i + 1}`] as string) as Partial<Run> & Pick<Run, 'startedAt' | 'outcome'>),
    };
    const isGoingOn = fields.state === 'running' && i === count - 1;
    return run.outcome === 'running' && !isGoingOn ? { ...run, outcome: 'lost' } : run;
  });
}
