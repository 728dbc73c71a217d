import type { Clock } from '../../core/clock.ts';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { SallyportError } from '../../core/errors.ts';
import { createRelayEpoch, relayEpochStart } from '../../core/relay.ts';
import type { Accepted } from '../inbox.ts';
import { createMarks, type Mark, type Marks } from './marks.ts';
import {
  type Counts,
  createOutbox,
  type Entry,
  type Outbox,
  type OutboxRow,
  type ParkedRow,
  sumOf,
  type Volume,
} from './outbox.ts';
import { deleteMeta, openSchema, readMeta, writeMeta } from './schema.ts';
import type { Sql } from './sql.ts';

/** What a shard answers for one entry. The rate of a channel is judged by the origin alone. */
export type Judged = Exclude<Accepted, { readonly outcome: 'limited' }>;

export interface ShardLimits {
  /** Rows that may wait; further new events are refused (`full`). */
  readonly maxEvents: number;
  /** Bytes of events that may wait or be parked. */
  readonly maxBytes: number;
}

/** 20,000 rows take about 3 MB of an isolate's 128 MB; 512 MB are a twentieth of what an object may store. */
export const defaultShardLimits: ShardLimits = { maxEvents: 20_000, maxBytes: 512 * 1_048_576 };

export interface ShardStoreOptions {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly limits?: ShardLimits;
}

/** What is sent to the origin in one request. */
export interface Batch {
  readonly tenant: string;
  readonly shard: string;
  readonly epoch: string;
  /** Never used before in this epoch, and greater than all that were. */
  readonly attempt: number;
  readonly rows: readonly OutboxRow[];
}

/** What the origin's answer makes of a batch. Rows that are in neither list wait on. */
export interface Settled {
  readonly done: readonly OutboxRow[];
  readonly parked: readonly { readonly row: OutboxRow; readonly reason: string }[];
}

export interface ShardStats {
  /** The shard's name; null before its first event. */
  readonly shard: string | null;
  readonly waiting: Volume;
  readonly parked: Volume;
  /** Epoch ms of the earliest acceptance among what waits. */
  readonly oldestAt: number | null;
  /** Deliveries since the shard's birth. Repetitions that came while the outbox was full are not among them. */
  readonly counts: Counts;
  /** New events refused since the object started. */
  readonly full: number;
  readonly databaseBytes: number;
}

/**
 * Guard and outbox of one shard. Every method is synchronous and one transaction. After an exception nothing of the call
 * is stored, and what is kept in memory is read anew.
 */
export interface ShardStore {
  /**
   * Judges each entry in order. `accepted`, `duplicate` and `conflict` are durable with the commit; `full` marks nothing.
   * @throws SallyportError ERR_STORE_MISMATCH when the shard has another name
   */
  accept(tenant: string, shard: string, entries: readonly Entry[]): Judged[];
  /** Takes the first rows and writes down that this attempt is made. Null when nothing waits. */
  begin(limit: Volume): Batch | null;
  /** The same with the first row of another conversation than those of these places. Null when there is none. */
  beginOther(seqs: readonly number[]): Batch | null;
  settle(settled: Settled): void;
  /** Starts a new epoch, which the origin takes for later than every earlier one. Attempts go on counting. */
  renewEpoch(): void;
  /** How many rows wait. */
  waiting(): number;
  /** What `remember` stored; undefined for nothing. */
  recall<State>(): State | undefined;
  /** Stores what the forwarder knows, or deletes it. One row written. */
  remember(state: object | undefined): void;
  stats(): ShardStats;
  /** Parked rows, the earliest first. */
  listParked(limit: number): readonly ParkedRow[];
  /** Moves a parked event to the end of the outbox; false when it is not parked. */
  resend(eventId: string): boolean;
  /** Deletes a parked event; false when it is not parked. */
  drop(eventId: string): boolean;
  /** Deletes some expired marks, if that is due. Returns whether more is due now. */
  sweep(): boolean;
}

interface Identity {
  readonly tenant: string;
  readonly shard: string;
  /** As `createRelayEpoch` makes it. */
  readonly epoch: string;
}

/** What every attempt writes, as one row. */
interface Progress {
  readonly attempt: number;
  /** Place of the last row that any batch held. Such a row may be at the origin and takes no more twins. */
  readonly sent: number;
  /** Deliveries on rows up to `sent`; those behind it are counted from the rows, so that no crash loses one. */
  readonly counts: Counts;
}

interface Memory {
  readonly outbox: Outbox;
  identity: Identity | undefined;
  progress: Progress;
  counts: Counts;
}

const FORWARDING = 'forwarding';

const NO_COUNTS: Counts = { accepted: 0, duplicate: 0, conflict: 0 };

/** @throws SallyportError ERR_STORE_MISMATCH for a shard that a later release has lifted */
export function createShardStore({ sql, clock, crypto, limits = defaultShardLimits }: ShardStoreOptions): ShardStore {
  openSchema(sql);
  const marks: Marks = createMarks(sql);
  let memory: Memory | undefined;
  let full = 0;

  /** Runs `work` in a transaction. Memory that a failed one has touched is forgotten. */
  function write<T>(work: (memory: Memory) => T): T {
    const current = read();
    try {
      return sql.transaction(() => work(current));
    } catch (error) {
      memory = undefined;
      throw error;
    }
  }

  function read(): Memory {
    if (memory !== undefined) return memory;
    const outbox = createOutbox(sql);
    const progress = readMeta<Progress>(sql, 'progress') ?? { attempt: 0, sent: 0, counts: NO_COUNTS };
    const unsent = outbox.count(progress.sent, outbox.lastSeq);
    memory = { outbox, progress, identity: readMeta(sql, 'identity'), counts: sumOf(progress.counts, unsent) };
    return memory;
  }

  function identify(current: Memory, tenant: string, shard: string): void {
    if (current.identity === undefined) {
      current.identity = { tenant, shard, epoch: createRelayEpoch(clock(), crypto) };
      writeMeta(sql, 'identity', current.identity);
    }
    const { identity } = current;
    if (identity.tenant === tenant && identity.shard === shard) return;
    throw new SallyportError('ERR_STORE_MISMATCH', 'the shard belongs to another tenant or has another name');
  }

  function judge(current: Memory, entry: Entry, now: number): Judged {
    const open = marks.of(entry.key, now);
    const original = open.find((mark) => mark.original === 1);
    if (original === undefined) return judgeFirst(current, entry, now);
    const known = open.find((mark) => mark.fingerprint === entry.fingerprint);
    if (known === undefined) return judgeConflict(current, entry, original, now);
    // The Worker sent the call again because it saw no answer.
    if (known.event_id === entry.id) return { outcome: known.original === 1 ? 'accepted' : 'conflict', id: entry.id };
    return judgeAgain(current, entry, known, now);
  }

  function judgeFirst(current: Memory, entry: Entry, now: number): Judged {
    // Before anything is marked: a refused event must look new when its sender tries again.
    if (isFull(current.outbox, entry)) {
      full += 1;
      return { outcome: 'full' };
    }
    const { id, key, fingerprint, windowMs } = entry;
    marks.set(key, { fingerprint, original: 1, event_id: id, expires_at: now + windowMs });
    append(current, entry, 'accepted', now);
    return { outcome: 'accepted', id };
  }

  /** One mark and one row for each content that contradicts the original; the origin records it and never runs it. */
  function judgeConflict(current: Memory, entry: Entry, { expires_at }: Mark, now: number): Judged {
    const { id, key, fingerprint } = entry;
    if (!isFull(current.outbox, entry)) {
      marks.set(key, { fingerprint, original: 0, event_id: id, expires_at });
      append(current, entry, 'conflict', now);
    }
    return { outcome: 'conflict', id };
  }

  /** The origin has to hear of every delivery: on the row that waits, or on one of its own behind a row that was sent. */
  function judgeAgain(current: Memory, entry: Entry, known: Mark, now: number): Judged {
    const outcome = known.original === 1 ? 'duplicate' : 'conflict';
    const seq = current.outbox.find(entry.key, entry.fingerprint);
    if (seq !== undefined && seq > current.progress.sent) {
      current.outbox.addDelivery(seq, entry.mentioned && outcome === 'duplicate');
      current.counts = sumOf(current.counts, { ...NO_COUNTS, [outcome]: 1 });
    } else if (!isFull(current.outbox, entry)) {
      append(current, entry, outcome, now);
    }
    return { outcome, id: known.event_id };
  }

  const isFull = ({ waiting, parked }: Outbox, { body }: Entry): boolean =>
    waiting.events >= limits.maxEvents || waiting.bytes + parked.bytes + body.length > limits.maxBytes;

  function append(current: Memory, entry: Entry, kind: keyof Counts, now: number): void {
    current.outbox.append(entry, kind, nextSeq(current), now);
    current.counts = sumOf(current.counts, { ...NO_COUNTS, [kind]: 1 });
  }

  /** A place that no row has had, also when all rows are gone: `sent` and pieces of parked rows are known by places. */
  const nextSeq = ({ outbox, progress }: Memory): number => Math.max(outbox.lastSeq, progress.sent) + 1;

  function attempt(current: Memory, rows: readonly OutboxRow[]): Batch | null {
    const { progress, identity } = current;
    const last = rows.at(-1);
    if (last === undefined || identity === undefined) return null;
    const counts = sumOf(progress.counts, current.outbox.count(progress.sent, last.seq));
    current.progress = { attempt: progress.attempt + 1, sent: Math.max(progress.sent, last.seq), counts };
    writeMeta(sql, 'progress', current.progress);
    return { ...identity, attempt: current.progress.attempt, rows };
  }

  return {
    accept: (tenant, shard, entries) =>
      write((current) => {
        identify(current, tenant, shard);
        const now = clock();
        return entries.map((entry) => judge(current, entry, now));
      }),
    begin: (limit) => write((current) => attempt(current, current.outbox.prefix(limit))),
    beginOther: (seqs) => write((current) => attempt(current, current.outbox.otherThan(seqs))),
    settle: ({ done, parked }) =>
      write(({ outbox }) => {
        for (const row of done) {
          outbox.remove(row);
          if (row.fleeting === 1) marks.forget(row.key, row.id);
        }
        for (const { row, reason } of parked) outbox.park(row, reason, clock());
      }),
    renewEpoch: () =>
      write((current) => {
        if (current.identity === undefined) return;
        const startedAt = relayEpochStart(current.identity.epoch) ?? 0;
        const epoch = createRelayEpoch(Math.max(clock(), startedAt + 1), crypto);
        current.identity = { ...current.identity, epoch };
        writeMeta(sql, 'identity', current.identity);
      }),
    waiting: () => read().outbox.waiting.events,
    recall: () => readMeta(sql, FORWARDING),
    remember: (state) => (state === undefined ? deleteMeta(sql, FORWARDING) : writeMeta(sql, FORWARDING, state)),
    stats() {
      const { outbox, counts, identity } = read();
      const { waiting, parked } = outbox;
      const shard = identity?.shard ?? null;
      return { shard, waiting, parked, oldestAt: outbox.oldestAt(), counts, full, databaseBytes: sql.databaseBytes() };
    },
    listParked: (limit) => read().outbox.listParked(limit),
    resend: (eventId) => write((current) => current.outbox.unpark(eventId, nextSeq(current))),
    drop: (eventId) => write(({ outbox }) => outbox.drop(eventId)),
    sweep: () => marks.sweep(clock()),
  };
}
