import type { Amounts, Resource } from '../../../core/budget.ts';
import type { Clock } from '../../../core/clock.ts';
import {
  type AccountLimit,
  amountsIn,
  DAY_MS,
  type Exhausted,
  type Ledger,
  linesOf,
  type Reserved,
  type ReserveRequest,
  type Settled,
  type Use,
  WARN_AT,
  windowAt,
} from '../../ledger.ts';
import type { StoreLimits } from '../../store.ts';
import type { Connection } from '../file/connection.ts';
import type { LateSync } from '../file/late-sync.ts';
import type { Writer } from '../file/writer.ts';

/** Reservations spent and uses forgotten by one transaction, so that nobody waits long behind it. */
const CHUNK = 200;

/** What is reserved and settled is not waited for to be on disk: docs/decisions/0006-unsynced-reservations.md. */
export function createLedger({
  quick,
  sync,
  durable,
  limits: { maxAgeMs },
  clock,
}: {
  /** Of a connection of its own, which does not wait for the disk (`makeQuick`). */
  readonly quick: { readonly connection: Connection; readonly writer: Writer };
  /** Syncs what that one wrote. */
  readonly sync: LateSync;
  /** The store's own, for kill switches. */
  readonly durable: { readonly connection: Connection; readonly writer: Writer };
  readonly limits: StoreLimits;
  readonly clock: Clock;
}): Ledger {
  const { connection, writer } = quick;
  const table = createLedgerTable(connection);
  const isKilled = connection.query('SELECT 1 FROM budget_killed WHERE tenant = ?');
  const killed = connection.query<{ tenant: string }>('SELECT tenant FROM budget_killed');
  const killOn = durable.connection.query('INSERT OR IGNORE INTO budget_killed VALUES (?)');
  const killOff = durable.connection.query('DELETE FROM budget_killed WHERE tenant = ?');

  /** Nobody may settle a use that is gone; a run's is kept for as long as its event may be attempted. */
  const keepUntil = (line: Line, now: number, ttlMs: number): number =>
    (windowAt(line.window, now).endsAt ?? now + maxAgeMs) + ttlMs + DAY_MS;

  function refusal(line: Line, { ttlMs, tell }: ReserveRequest, now: number): Exhausted | null {
    const { used, held } = table.useOf(line);
    if (line.max === 'unlimited' || used + line.amount <= line.max) return null;
    const { scope, account, resource, window, max } = line;
    return {
      kind: 'exhausted',
      limit: { scope, account, resource, window, max },
      resetsAt: windowAt(window, now).endsAt,
      mayFree: used - held + line.amount <= line.max,
      isNews: tell !== undefined && table.tell(line, tell.listener, tell.teller, keepUntil(line, now, ttlMs)),
    };
  }

  function reserve(request: ReserveRequest): Reserved {
    const { id, tenant, ttlMs } = request;
    const now = clock();
    if (isKilled.get(tenant) !== undefined) return { kind: 'killed' };
    const lines = linesOf(request).map((limit) => lineOf(limit, request, now));
    const reserved: Reserved = { kind: 'reserved', reservation: { id, lines: lines.length } };
    table.sweep(now, CHUNK);
    if (lines.length === 0 || table.isHeld(id)) return reserved;
    for (const line of lines) {
      const refused = refusal(line, request, now);
      if (refused !== null) return refused;
    }
    table.hold(id, now + ttlMs, lines, (line) => keepUntil(line, now, ttlMs));
    return reserved;
  }

  function useOf(limit: AccountLimit, now: number): Use {
    const { start, endsAt } = windowAt(limit.window, now);
    const { used, held } = table.useOf({ ...limit, start });
    return { spent: used - held, reserved: held, resetsAt: endsAt };
  }

  async function sweepAll(): Promise<void> {
    while (writer.read(() => table.hasOver(clock()))) await writer.write(() => table.sweep(clock(), CHUNK));
  }

  return {
    async reserve(request) {
      await sync.caughtUp();
      const reserved = await writer.write(() => reserve(request));
      sync.soon();
      return reserved;
    },
    async settle({ id, lines }, actual) {
      if (lines === 0) return { isLate: false, warnings: [] };
      const warnings = await writer.write(() => table.settle(id, clock(), amountsIn(actual)));
      return { isLate: warnings === null, warnings: warnings ?? [] };
    },
    async usage(limits) {
      await sweepAll();
      return writer.read(() => limits.map((limit) => useOf(limit, clock())));
    },
    kill: (tenant, on) => durable.writer.write(() => void (on ? killOn : killOff).run(tenant)),
    async killed() {
      const now = clock();
      if (writer.read(() => table.hasOver(now))) await writer.write(() => table.sweep(now, CHUNK));
      if (writer.read(() => table.hasOld(now))) await writer.write(() => table.forget(now, CHUNK));
      return new Set(writer.read(() => killed.all()).map(({ tenant }) => tenant));
    },
  };
}

const lineOf = (limit: AccountLimit, { amounts }: ReserveRequest, now: number): Line => ({
  ...limit,
  start: windowAt(limit.window, now).start,
  amount: amounts[limit.resource] ?? 0,
  warnAt: limit.max === 'unlimited' ? null : Math.ceil(limit.max * WARN_AT),
});

/** One limit in the window a reservation was made in. */
interface Line extends AccountLimit {
  /** Epoch ms at which the window began; 0 for a run's. */
  readonly start: number;
  readonly amount: number;
  /** Spent so much of it is worth a warning; null where there is no limit. */
  readonly warnAt: number | null;
}

interface UseRow {
  readonly used: number;
  readonly held: number;
  readonly warned: number;
}
interface HoldRow {
  readonly id: string;
  readonly until: number;
  readonly lines: string;
}

/**
 * What is counted, and what is reserved of it. `used` is spent and reserved together, so that giving a reservation's time
 * up moves nothing in the totals: the worst case was counted when it was made. Call the writing ones inside a transaction.
 */
interface LedgerTable {
  useOf(line: Pick<Line, 'scope' | 'account' | 'window' | 'start' | 'resource'>): UseRow;
  isHeld(id: string): boolean;
  hold(id: string, until: number, lines: readonly Line[], keepUntil: (line: Line) => number): void;
  /** Null when its time is over; its worst case is spent then. */
  settle(id: string, now: number, actual: Amounts): Settled['warnings'] | null;
  /** Spends up to `most` reservations whose time is over, and says how many it found. */
  sweep(now: number, most: number): number;
  hasOver(now: number): boolean;
  hasOld(now: number): boolean;
  /** Forgets up to `most` uses whose window is long over. */
  forget(now: number, most: number): void;
  /** True when nobody else has told the listener about this limit in this window. */
  tell(line: Line, listener: string, teller: string, keepUntil: number): boolean;
}

type UseKey = readonly [scope: string, account: string, window: string, start: number, resource: string];

function createLedgerTable(connection: Connection): LedgerTable {
  const where = 'WHERE scope = ? AND account = ? AND window = ? AND start = ? AND resource = ?';
  const get = connection.query<UseRow>(`SELECT used, held, warned FROM budget_uses ${where}`);
  const add = connection.query(
    `INSERT INTO budget_uses (scope, account, window, start, resource, used, held, kept_until) VALUES (?, ?, ?, ?, ?, ?6, ?6, ?7)
       ON CONFLICT DO UPDATE SET used = used + ?6, held = held + ?6, kept_until = max(kept_until, ?7)`,
  );
  const change = connection.query(`UPDATE budget_uses SET used = used + ?6, held = held - ?7 WHERE scope = ?1
       AND account = ?2 AND window = ?3 AND start = ?4 AND resource = ?5`);
  const warn = connection.query(`UPDATE budget_uses SET warned = 1 ${where} AND warned = 0`);
  const holdOf = connection.query<HoldRow>('SELECT id, until, lines FROM budget_holds WHERE id = ?');
  const put = connection.query('INSERT INTO budget_holds VALUES (?, ?, ?)');
  const drop = connection.query('DELETE FROM budget_holds WHERE id = ?');
  const over = connection.query<HoldRow>('SELECT * FROM budget_holds WHERE until <= ? ORDER BY until LIMIT ?');
  const told = connection.query<{ teller: string }>(`SELECT teller FROM budget_told ${where} AND listener = ?`);
  const putTold = connection.query('INSERT OR IGNORE INTO budget_told VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  const old = connection.query('SELECT 1 FROM budget_uses WHERE kept_until <= ? LIMIT 1');
  const forgetUses = forgetting('budget_uses', 'scope, account, window, start, resource');
  const forgetTold = forgetting('budget_told', 'scope, account, window, start, resource, listener');

  function forgetting(table: string, key: string) {
    return connection.query(`DELETE FROM ${table} WHERE (${key}) IN
      (SELECT ${key} FROM ${table} WHERE kept_until <= ? ORDER BY kept_until LIMIT ?)`);
  }

  function close({ id, lines }: HoldRow, actual: Amounts | null): Line[] {
    const parsed = JSON.parse(lines) as Line[];
    for (const line of parsed) {
      const used = actual?.[line.resource] ?? line.amount;
      change.run(...keyOf(line), used - line.amount, line.amount);
    }
    drop.run(id);
    return parsed;
  }

  function crossed(line: Line): boolean {
    const use = get.get(...keyOf(line));
    if (use === undefined || line.warnAt === null || use.used - use.held < line.warnAt) return false;
    return warn.run(...keyOf(line)) > 0;
  }

  return {
    useOf: (line) => get.get(...keyOf(line)) ?? { used: 0, held: 0, warned: 0 },
    isHeld: (id) => holdOf.get(id) !== undefined,
    hold(id, until, lines, keepUntil) {
      for (const line of lines) add.run(...keyOf(line), line.amount, keepUntil(line));
      put.run(id, until, JSON.stringify(lines));
    },
    settle(id, now, actual) {
      const hold = holdOf.get(id);
      if (hold === undefined) return null;
      const isLate = hold.until <= now;
      const lines = close(hold, isLate ? null : actual);
      return isLate ? null : lines.filter(crossed).map(({ scope, resource, window }) => ({ scope, resource, window }));
    },
    sweep(now, most) {
      const found = over.all(now, most);
      for (const hold of found) close(hold, null);
      return found.length;
    },
    hasOver: (now) => over.get(now, 1) !== undefined,
    hasOld: (now) => old.get(now) !== undefined,
    forget(now, most) {
      forgetUses.run(now, most);
      forgetTold.run(now, most);
    },
    tell(line, listener, teller, keepUntil) {
      putTold.run(...keyOf(line), listener, teller, keepUntil);
      return told.get(...keyOf(line), listener)?.teller === teller;
    },
  };
}

const keyOf = (line: Pick<Line, 'scope' | 'account' | 'window' | 'start'> & { resource: Resource }): UseKey => [
  line.scope,
  line.account,
  line.window,
  line.start,
  line.resource,
];
