import type { Sql } from './sql.ts';

/** What a sender was told of a delivery that waits to be forwarded; `again`: an operator sends a parked row again. */
export type RowKind = 'accepted' | 'duplicate' | 'conflict' | 'again';

/** A delivery as the Worker hands it to its shard. Members are only ever added, and optional: old Workers call new shards. */
export interface Entry {
  /** The event's id. */
  readonly id: string;
  readonly key: string;
  readonly fingerprint: string;
  /** Key of the event's conversation. */
  readonly conversation: string;
  readonly windowMs: number;
  readonly mentioned: boolean;
  /** The mark is forgotten with the row's delivery (`seenUntil` of the event). */
  readonly fleeting: boolean;
  /** The event as JSON. */
  readonly body: string;
}

/** A row that waits. */
export interface OutboxRow {
  readonly seq: number;
  readonly id: string;
  readonly key: string;
  readonly fingerprint: string;
  /** Of the event as UTF-8. */
  readonly bytes: number;
  readonly deliveries: number;
  readonly fleeting: 0 | 1;
  /** Epoch ms of its acceptance. */
  readonly at: number;
  /** Rows of `outbox_piece`. */
  readonly pieces: number;
  /** The event as JSON, with the mention that only a twin knew. */
  readonly body: string;
}

/** A row that the origin refused. */
export interface ParkedRow {
  readonly id: string;
  readonly reason: string;
  /** Bytes of the event. */
  readonly bytes: number;
  readonly acceptedAt: number;
  readonly parkedAt: number;
}

/** How many rows, and how many bytes of events. */
export interface Volume {
  readonly events: number;
  readonly bytes: number;
}

/** The rows that wait and those that are parked. Every call but the reading ones belongs into a transaction of the caller. */
export interface Outbox {
  readonly waiting: Volume;
  readonly parked: Volume;
  /** The greatest place that was ever given out, as far as rows show it. */
  readonly lastSeq: number;
  append(entry: Entry, kind: RowKind, seq: number, now: number): void;
  /** The place of the latest row of this content; undefined when none waits. */
  find(key: string, fingerprint: string): number | undefined;
  /** Counts a further delivery on a row, and adds the mention that the twin knows. */
  addDelivery(seq: number, mentioned: boolean): void;
  /** The first rows: at most so many and of so many bytes, but always one where any waits. */
  prefix(limit: Volume): OutboxRow[];
  /** The first row of another conversation than those of the rows at these places, or none. */
  otherThan(seqs: readonly number[]): OutboxRow[];
  /** Deliveries on the rows with `after` < place <= `upTo`, by what their senders were told. */
  count(after: number, upTo: number): Counts;
  remove(row: OutboxRow): void;
  park(row: OutboxRow, reason: string, now: number): void;
  /** Moves a parked row to the end; false when no row of this id is parked. */
  unpark(id: string, seq: number): boolean;
  drop(id: string): boolean;
  listParked(limit: number): ParkedRow[];
  /** Epoch ms of the earliest acceptance among the rows that wait. */
  oldestAt(): number | null;
}

/** Deliveries by what their senders were told. */
export interface Counts {
  readonly accepted: number;
  readonly duplicate: number;
  readonly conflict: number;
}

export const sumOf = (a: Counts, b: Counts): Counts => ({
  accepted: a.accepted + b.accepted,
  duplicate: a.duplicate + b.duplicate,
  conflict: a.conflict + b.conflict,
});

/**
 * UTF-16 units of a body in one row: at most 1 MB as UTF-8, whatever characters it has. A row may have 2 MB
 * (developers.cloudflare.com/durable-objects/platform/limits), and one over it fails the whole transaction.
 */
const PIECE_UNITS = 333_333;

const COLUMNS = 'id, key, fingerprint, conversation, kind, bytes, deliveries, upgraded, fleeting, at, pieces, body';

const utf8 = new TextEncoder();

/** Reads all rows but their bodies once, to know what waits; from then on memory and rows change together. */
export function createOutbox(sql: Sql): Outbox {
  /** Places of the rows by what they repeat. An operator's row takes no further deliveries: they were counted once. */
  const open = new Map<string, number>();
  const nameOf = (key: string, fingerprint: string): string => `${key} ${fingerprint}`;
  let lastSeq = 0;
  let waiting: Volume = { events: 0, bytes: 0 };
  for (const row of sql.all<{ seq: number; key: string; fingerprint: string; kind: RowKind; bytes: number }>(
    'SELECT seq, key, fingerprint, kind, bytes FROM outbox ORDER BY seq',
  )) {
    if (row.kind !== 'again') open.set(nameOf(row.key, row.fingerprint), row.seq);
    waiting = plus(waiting, 1, row.bytes);
    lastSeq = row.seq;
  }
  const [aside] = sql.all<Volume & { readonly seq: number }>(
    'SELECT count(*) AS events, coalesce(sum(bytes), 0) AS bytes, coalesce(max(seq), 0) AS seq FROM parked',
  );
  let parked: Volume = { events: aside?.events ?? 0, bytes: aside?.bytes ?? 0 };
  lastSeq = Math.max(lastSeq, aside?.seq ?? 0);

  interface StoredRow extends OutboxRow {
    readonly upgraded: 0 | 1;
  }

  function rowsBetween(first: number, last: number): OutboxRow[] {
    const rows = sql.all<StoredRow>(
      `SELECT seq, id, key, fingerprint, bytes, deliveries, fleeting, at, pieces, upgraded, body FROM outbox
       WHERE seq >= ? AND seq <= ? ORDER BY seq`,
      first,
      last,
    );
    return rows.map(({ upgraded, ...row }) => {
      const body = row.pieces === 0 ? row.body : row.body + restOf(row.seq);
      // Once for each event whose twin said more; all others are forwarded as they were written.
      return { ...row, body: upgraded === 1 ? JSON.stringify({ ...JSON.parse(body), mentioned: true }) : body };
    });
  }

  const restOf = (seq: number): string =>
    sql
      .all<{ body: string }>('SELECT body FROM outbox_piece WHERE seq = ? ORDER BY n', seq)
      .map(({ body }) => body)
      .join('');

  /** Takes a row out of those that wait, and leaves its pieces. */
  function leave({ seq, key, fingerprint, bytes }: OutboxRow): void {
    sql.run('DELETE FROM outbox WHERE seq = ?', seq);
    waiting = plus(waiting, -1, -bytes);
    const name = nameOf(key, fingerprint);
    if (open.get(name) === seq) open.delete(name);
  }

  const parkedOf = (id: string): { readonly seq: number; readonly bytes: number } | undefined =>
    sql.all<{ seq: number; bytes: number }>('SELECT seq, bytes FROM parked WHERE id = ?', id)[0];

  function leaveParked({ seq, bytes }: { readonly seq: number; readonly bytes: number }): void {
    sql.run('DELETE FROM parked WHERE seq = ?', seq);
    parked = plus(parked, -1, -bytes);
  }

  const removePieces = (seq: number): void => sql.run('DELETE FROM outbox_piece WHERE seq = ?', seq);

  return {
    get waiting() {
      return waiting;
    },
    get parked() {
      return parked;
    },
    get lastSeq() {
      return lastSeq;
    },
    append(entry, kind, seq, now) {
      const { id, key, fingerprint, conversation, fleeting, body } = entry;
      const bytes = utf8.encode(body).length;
      const [first = '', ...more] = piecesOf(body);
      sql.run(
        `INSERT INTO outbox (seq, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 1, 0, ?, ?, ?, ?)`,
        ...[seq, id, key, fingerprint, conversation, kind, bytes, fleeting ? 1 : 0, now, more.length, first],
      );
      for (const [n, piece] of more.entries()) sql.run('INSERT INTO outbox_piece VALUES (?, ?, ?)', seq, n, piece);
      open.set(nameOf(key, fingerprint), seq);
      waiting = plus(waiting, 1, bytes);
      lastSeq = seq;
    },
    find: (key, fingerprint) => open.get(nameOf(key, fingerprint)),
    addDelivery: (seq, mentioned) =>
      sql.run(
        'UPDATE outbox SET deliveries = deliveries + 1, upgraded = max(upgraded, ?) WHERE seq = ?',
        mentioned ? 1 : 0,
        seq,
      ),
    prefix(limit) {
      const rows = sql.all<{ seq: number; bytes: number }>(
        'SELECT seq, bytes FROM outbox ORDER BY seq LIMIT ?',
        limit.events,
      );
      const [first, ...more] = rows;
      if (first === undefined) return [];
      let last = first;
      let bytes = first.bytes;
      for (const row of more) {
        bytes += row.bytes;
        if (bytes > limit.bytes) break;
        last = row;
      }
      return rowsBetween(first.seq, last.seq);
    },
    otherThan(seqs) {
      const [other] = sql.all<{ seq: number }>(
        `SELECT seq FROM outbox WHERE conversation NOT IN
           (SELECT conversation FROM outbox WHERE seq IN (SELECT value FROM json_each(?)))
         ORDER BY seq LIMIT 1`,
        JSON.stringify(seqs),
      );
      return other === undefined ? [] : rowsBetween(other.seq, other.seq);
    },
    count(after, upTo) {
      const counts = { accepted: 0, duplicate: 0, conflict: 0 };
      for (const { kind, events, more } of sql.all<{ kind: RowKind; events: number; more: number }>(
        `SELECT kind, count(*) AS events, sum(deliveries - 1) AS more FROM outbox WHERE seq > ? AND seq <= ?
         GROUP BY kind`,
        after,
        upTo,
      )) {
        if (kind === 'again') continue;
        counts[kind] += events;
        counts[kind === 'conflict' ? 'conflict' : 'duplicate'] += more;
      }
      return counts;
    },
    remove(row) {
      leave(row);
      if (row.pieces > 0) removePieces(row.seq);
    },
    park(row, reason, now) {
      sql.run(
        `INSERT INTO parked (seq, ${COLUMNS}, reason, parked_at) SELECT seq, ${COLUMNS}, ?, ? FROM outbox WHERE seq = ?`,
        ...[reason, now, row.seq],
      );
      leave(row);
      parked = plus(parked, 1, row.bytes);
    },
    unpark(id, seq) {
      const row = parkedOf(id);
      if (row === undefined) return false;
      sql.run(
        `INSERT INTO outbox (seq, ${COLUMNS})
         SELECT ?, id, key, fingerprint, conversation, 'again', bytes, deliveries, upgraded, fleeting, at, pieces, body
         FROM parked WHERE seq = ?`,
        ...[seq, row.seq],
      );
      sql.run('UPDATE outbox_piece SET seq = ? WHERE seq = ?', seq, row.seq);
      leaveParked(row);
      waiting = plus(waiting, 1, row.bytes);
      lastSeq = seq;
      return true;
    },
    drop(id) {
      const row = parkedOf(id);
      if (row === undefined) return false;
      leaveParked(row);
      removePieces(row.seq);
      return true;
    },
    listParked: (limit) =>
      sql
        .all<ParkedRow>(
          `SELECT id, reason, bytes, at AS acceptedAt, parked_at AS parkedAt FROM parked ORDER BY seq LIMIT ?`,
          limit,
        )
        .map(({ id, reason, bytes, acceptedAt, parkedAt }) => ({ id, reason, bytes, acceptedAt, parkedAt })),
    oldestAt: () => sql.all<{ at: number | null }>('SELECT min(at) AS at FROM outbox')[0]?.at ?? null,
  };
}

const plus = ({ events, bytes }: Volume, moreEvents: number, moreBytes: number): Volume => ({
  events: events + moreEvents,
  bytes: bytes + moreBytes,
});

/** A text in pieces of one row each, none of which ends between the two halves of a character. */
function piecesOf(body: string): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < body.length; ) {
    let to = Math.min(from + PIECE_UNITS, body.length);
    const last = body.charCodeAt(to - 1);
    if (to < body.length && last >= 0xd8_00 && last <= 0xdb_ff) to -= 1;
    pieces.push(body.slice(from, to));
    from = to;
  }
  return pieces;
}
