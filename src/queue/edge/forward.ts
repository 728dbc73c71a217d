import type { Clock } from '../../core/clock.ts';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { toUtf8 } from '../../core/crypto/encoding.ts';
import {
  MAX_RELAY_BATCH_BYTES,
  MAX_RELAY_EVENTS,
  type RelayAnswer,
  type RelayBatch,
  type RelayKeys,
  relayHeader,
  relayOutcomes,
  signRelayRequest,
  verifyRelayAnswer,
} from '../../core/relay.ts';
import type { OutboxRow } from './outbox.ts';
import type { Batch, ShardStore } from './shard-store.ts';

export interface RelayRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The call has to end within so many ms. */
  readonly timeoutMs: number;
}

export interface RelayResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: Uint8Array;
}

export interface ForwardOptions {
  readonly store: ShardStore;
  readonly clock: Clock;
  /** In [0, 1); spreads the shards over the time after an outage. */
  readonly random: () => number;
  readonly crypto: Crypto;
  readonly keys: RelayKeys;
  /** Posts to the origin's relay route and never follows a redirect. Rejects when there is no answer. */
  readonly post: (request: RelayRequest) => Promise<RelayResponse>;
  /** Sets the object's alarm to this time (epoch ms), in place of one that is set. */
  readonly setAlarm: (at: number) => void;
  /** When an alarm is set already, epoch ms; null when there is none. */
  readonly alarmAt: number | null;
  /** Is told of an error that has no other way out. Must not throw. */
  readonly report: (error: unknown) => void;
  /** Time limit of one request in ms. */
  readonly timeoutMs?: number;
}

/**
 * Why nothing is forwarded: a bounded word, as it is a metric label. `unproven`: the answer is not signed with a relay key,
 * so the URL or the key is wrong. `unreachable`: no answer. `unavailable`: a 5xx. `full`: the origin has no room.
 * `unreadable`: signed, and not as the protocol has it. The others are the origin's status.
 */
export type BlockedReason =
  | 'unproven'
  | 'unreachable'
  | 'unavailable'
  | 'full'
  | 'unreadable'
  | 'status_400'
  | 'status_401'
  | 'status_404'
  | 'status_409'
  | 'status_413'
  | 'status_4xx'
  | 'failed';

export interface Blocked {
  readonly reason: BlockedReason;
  /** Epoch ms of the first answer since which nothing was forwarded. */
  readonly since: number;
}

export interface Forwarder {
  /** Sees to it that an alarm comes for what was appended. Call it without an `await` after the commit. */
  wake(): void;
  /** The alarm's handler. Never rejects: Cloudflare tries a handler that fails six times and then drops the alarm. */
  run(): Promise<void>;
  readonly blocked: Blocked | null;
}

/** Time limit of one request (ms). */
const TIMEOUT_MS = 10_000;

/** The limit is the caller's to keep; after so much longer (ms) it is taken as broken, so that no shard waits for ever. */
const OVERTIME_MS = 1_000;

/** How long one alarm forwards before it lets another one follow (ms); an alarm may take 15 minutes. */
const RUN_MS = 30_000;

/** Pauses after a failure (ms): doubled each time, ±25 %. With 60 s a shard needed 19 s after the origin's return. */
const BACKOFF_MS = { first: 1_000, longest: 15_000 } as const;

/** The origin may ask for longer pauses, up to this one (ms). */
const LONGEST_RETRY_AFTER_MS = 300_000;

/** Of each event in a batch beside the event itself, and of the envelope; both are generous. */
const WRAPPER_BYTES = { event: 80, envelope: 1_000 } as const;

const BATCH_BYTES = MAX_RELAY_BATCH_BYTES - MAX_RELAY_EVENTS * WRAPPER_BYTES.event - WRAPPER_BYTES.envelope;

/** Steps of the sweep after a run: 100,000 marks, less than a second. */
const SWEEP_STEPS = 100;

/** A single event that failed so often is a suspect: another one is tried beside it. */
const SUSPECT_AFTER = 3;

/** So often another event must pass, and the suspect fail right after it, until the suspect is parked. */
const PARK_AFTER = 3;

/** What an answer makes of the turn: go on at once, or pause. */
type Turn = 'on' | 'pause' | 'empty';

/** An event that fails alone. */
interface Suspect {
  readonly seq: number;
  readonly failures: number;
  /** Others that passed since the last one that did not. */
  readonly passed: number;
  /** Others that failed; their conversations are left out, as they may be of the same kind. */
  readonly skipped: readonly number[];
  /** It is another event's turn. */
  readonly isOtherNext: boolean;
}

/**
 * What failures have taught. It is stored: the runtime removes an object that is idle for ten seconds from memory
 * (developers.cloudflare.com/durable-objects/concepts/durable-object-lifecycle), and pauses are longer. An object that began
 * anew each time would never halve its batches to the event that makes the origin fail.
 */
interface Known {
  /** Epoch ms before which nothing is sent. */
  readonly notBefore: number;
  /** Since something passed. */
  readonly failures: number;
  /** Of the next batch. */
  readonly maxEvents: number;
  readonly blocked: Blocked | null;
  readonly suspect: Suspect | null;
}

const NOTHING_KNOWN: Known = { notBefore: 0, failures: 0, maxEvents: MAX_RELAY_EVENTS, blocked: null, suspect: null };

/** Others that are left out at most: after as many failures it is likely that the origin takes nothing at all. */
const MAX_SKIPPED = 20;

/**
 * Forwards a shard's outbox to the origin. One batch is under way at a time, and each holds the first rows. So the origin
 * gets each conversation in order.
 *
 * What the answers do:
 *
 * - signed 200: rows that the origin took are removed, rejected ones are parked, and those for which it has no room wait;
 * - 413: the batch is halved; a single event is parked if the answer is signed;
 * - signed 409: the attempt is not newer than what the origin has seen. The next attempt is made in a new epoch, which also
 *   helps after the object's storage was restored to an earlier time;
 * - any other 4xx, 3xx, and a 200 without a valid signature: the whole shard is held. A release of the origin that refuses
 *   what the edge sends must not park thousands of events;
 * - 5xx and no answer: the shard is held, and the next batch has half the size.
 *
 * A single event that fails again and again may be what makes the origin fail. Only then another row than the first is sent:
 * the first one of another conversation, whose order that keeps. If three others pass, with a failure of the suspect
 * directly after each, the suspect is parked as `failing`. While the origin is away nothing passes, so nothing is parked.
 */
export function createForwarder(options: ForwardOptions): Forwarder {
  const { store, clock, random, crypto, keys, post, setAlarm, report, timeoutMs = TIMEOUT_MS } = options;
  let armedAt = options.alarmAt;
  let isRunning = false;
  const recalled = store.recall<Known>() ?? NOTHING_KNOWN;
  let { notBefore, failures, maxEvents, blocked, suspect } = recalled;
  let stored = JSON.stringify(recalled);

  function arm(at: number): void {
    if (armedAt !== null && armedAt <= at) return;
    setAlarm(at);
    armedAt = at;
  }

  function wake(): void {
    // The run that is under way sees the new rows, or arms at its end.
    if (!isRunning) arm(Math.max(clock(), notBefore));
  }

  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    armedAt = null;
    try {
      await forward(clock() + RUN_MS);
      for (let step = 0; step < SWEEP_STEPS && store.sweep(); step += 1);
    } catch (error) {
      report(error);
      hold('failed');
    }
    isRunning = false;
    try {
      remember();
      if (store.waiting() > 0) arm(Math.max(clock(), notBefore));
    } catch (error) {
      report(error);
      arm(clock() + BACKOFF_MS.longest);
    }
  }

  /** Writes nothing while the origin takes everything. */
  function remember(): void {
    const known: Known = { notBefore, failures, maxEvents, blocked, suspect };
    const text = JSON.stringify(known);
    if (text === stored) return;
    store.remember(text === JSON.stringify(NOTHING_KNOWN) ? undefined : known);
    stored = text;
  }

  async function forward(until: number): Promise<void> {
    for (let turn: Turn = 'on'; turn === 'on' && clock() < until && clock() >= notBefore; ) turn = await step();
  }

  async function step(): Promise<Turn> {
    if (suspect?.isOtherNext === true) {
      const other = store.beginOther([suspect.seq, ...suspect.skipped]);
      if (other !== null) return judgeOther(suspect, other, await send(other));
      suspect = { ...suspect, skipped: [] };
    }
    const batch = store.begin({ events: suspect === null ? maxEvents : 1, bytes: BATCH_BYTES });
    return batch === null ? 'empty' : judge(batch, await send(batch));
  }

  async function send(batch: Batch): Promise<Answer> {
    const body = toUtf8(textOf(batch));
    const { nonce, headers } = signRelayRequest(body, clock(), keys, crypto);
    try {
      const answer = await withinMs(timeoutMs + OVERTIME_MS, post({ headers, body, timeoutMs }));
      const signature = answer.headers.get(relayHeader.signature);
      const isProven = verifyRelayAnswer(signature, { nonce, status: answer.status, body: answer.body }, keys, crypto);
      const retryAfter = answer.headers.get('retry-after') ?? '';
      return { status: answer.status, isProven, body: answer.body, retryAfterMs: retryAfterMsOf(retryAfter) };
    } catch {
      return { status: 0, isProven: false, body: new Uint8Array(), retryAfterMs: 0 };
    }
  }

  function judge(batch: Batch, answer: Answer): Turn {
    const { status, isProven } = answer;
    if (status === 200 && isProven) return settle(batch, answer);
    if (isProven && status === 413 && batch.rows.length === 1) return parkAll(batch, 'too_large');
    if (isProven && status === 409) store.renewEpoch();
    const isFailure = status === 0 || status === 413 || status >= 500;
    if (isFailure && batch.rows.length > 1) maxEvents = Math.ceil(batch.rows.length / 2);
    // The halves are tried at once: the origin is there and has said why.
    if (isProven && status === 413) return 'on';
    if (isFailure && batch.rows.length === 1 && doubt(batch.rows[0] as OutboxRow)) return parkAll(batch, 'failing');
    return hold(reasonOf(answer), answer.retryAfterMs);
  }

  /** Counts a failure of a single event. True when others pass and it alone does not. */
  function doubt({ seq }: OutboxRow): boolean {
    const known = suspect?.seq === seq ? suspect : { seq, failures: 0, passed: 0, skipped: [] };
    const count = known.failures + 1;
    suspect = { ...known, failures: count, isOtherNext: count >= SUSPECT_AFTER };
    return suspect.passed >= PARK_AFTER;
  }

  /** The answer to a row that was sent past the suspect, whose turn it is next. */
  function judgeOther(about: Suspect, batch: Batch, answer: Answer): Turn {
    const isProven = answer.status === 200 && answer.isProven;
    const turn = isProven ? settle(batch, answer) : hold(reasonOf(answer), answer.retryAfterMs);
    const isPassed = turn === 'on';
    const failed = isPassed ? [] : batch.rows.map(({ seq }) => seq);
    const skipped = about.skipped.length < MAX_SKIPPED ? [...about.skipped, ...failed] : [];
    suspect = { ...about, passed: isPassed ? about.passed + 1 : 0, skipped, isOtherNext: false };
    return turn;
  }

  function settle(batch: Batch, { body, retryAfterMs }: Answer): Turn {
    const results = resultsOf(body, batch);
    if (results === null) return hold('unreadable');
    const done = batch.rows.filter((_, n) => results[n]?.action === 'remove');
    const parked = batch.rows.flatMap((row, n) => {
      const result = results[n];
      return result?.action === 'park' ? [{ row, reason: result.reason }] : [];
    });
    store.settle({ done, parked });
    const settled = done.length + parked.length;
    if (settled > 0) passOn(batch);
    return settled === batch.rows.length ? 'on' : hold('full', retryAfterMs);
  }

  function parkAll({ rows }: Batch, reason: string): Turn {
    store.settle({ done: [], parked: rows.map((row) => ({ row, reason })) });
    suspect = null;
    return 'on';
  }

  /** The origin took something over. */
  function passOn({ rows }: Batch): void {
    failures = 0;
    notBefore = 0;
    blocked = null;
    maxEvents = Math.min(MAX_RELAY_EVENTS, maxEvents * 2);
    if (rows.some(({ seq }) => seq === suspect?.seq)) suspect = null;
  }

  function hold(reason: BlockedReason, retryAfterMs = 0): Turn {
    const pause = Math.min(BACKOFF_MS.longest, BACKOFF_MS.first * 2 ** failures) * (0.75 + random() / 2);
    failures += 1;
    notBefore = clock() + Math.ceil(Math.max(pause, retryAfterMs));
    blocked = { reason, since: blocked?.since ?? clock() };
    return 'pause';
  }

  // Rows without an alarm: the alarm was dropped, or the object's storage was restored.
  if (store.waiting() > 0) wake();

  return {
    wake,
    run,
    get blocked() {
      return blocked;
    },
  };
}

/** What came back; status 0 when nothing did. */
interface Answer {
  readonly status: number;
  /** Signed with one of the relay keys, for this very request. */
  readonly isProven: boolean;
  readonly body: Uint8Array;
  readonly retryAfterMs: number;
}

/** The request's body. Events stand in it as the Worker wrote them. */
function textOf({ tenant, shard, epoch, attempt, rows }: Batch): string {
  const envelope: Omit<RelayBatch, 'events'> = { v: 1, tenant, shard, epoch, attempt };
  const events = rows.map(
    ({ at, deliveries, body }) => `{"acceptedAt":${at},"deliveries":${deliveries},"event":${body}}`,
  );
  return `${JSON.stringify(envelope).slice(0, -1)},"events":[${events.join(',')}]}`;
}

interface Result {
  readonly action: 'remove' | 'keep' | 'park';
  readonly reason: string;
}

/** A word that may become a label. */
const REASON = /^[a-z_]{1,40}$/;

/** One for each row; null when the answer is not one. A row whose outcome is unknown here waits. */
function resultsOf(body: Uint8Array, { rows }: Batch): Result[] | null {
  let answer: Partial<RelayAnswer> | null;
  try {
    answer = JSON.parse(new TextDecoder().decode(body)) as Partial<RelayAnswer> | null;
  } catch {
    return null;
  }
  const results: unknown = answer?.results;
  if (!Array.isArray(results) || results.length !== rows.length) return null;
  const read: Result[] = [];
  for (const [n, row] of rows.entries()) {
    const { id, outcome, reason } = (results[n] ?? {}) as Partial<Record<'id' | 'outcome' | 'reason', unknown>>;
    const action = typeof outcome === 'string' && isOutcome(outcome) ? relayOutcomes[outcome] : 'keep';
    // What is not an event of the right form has no id there.
    if (id !== row.id && !(id === '' && action === 'park')) return null;
    read.push({ action, reason: typeof reason === 'string' && REASON.test(reason) ? reason : 'rejected' });
  }
  return read;
}

const isOutcome = (text: string): text is keyof typeof relayOutcomes => Object.hasOwn(relayOutcomes, text);

/** Statuses that are labels of their own. */
const LABELLED: readonly number[] = [400, 401, 404, 409, 413];

function reasonOf({ status, isProven }: Answer): BlockedReason {
  if (status === 0) return 'unreachable';
  if (status === 401) return 'status_401';
  if (status >= 500) return 'unavailable';
  if (!isProven || status < 400) return 'unproven';
  return LABELLED.includes(status) ? (`status_${status}` as BlockedReason) : 'status_4xx';
}

/** Seconds, which is how Node's relay route writes it. */
const retryAfterMsOf = (text: string): number =>
  /^\d{1,6}$/.test(text) ? Math.min(Number(text) * 1_000, LONGEST_RETRY_AFTER_MS) : 0;

/** @throws what the promise rejects with, or an error when it does not settle in time */
async function withinMs<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the request took too long')), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
