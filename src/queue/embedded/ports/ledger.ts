import {
  type AccountLimit,
  amountsIn,
  type Exhausted,
  type Ledger,
  linesOf,
  type Reserved,
  type ReserveRequest,
  type Use,
  WARN_AT,
} from '../../ledger.ts';
import type { Connection } from '../file/connection.ts';
import type { LateSync } from '../file/late-sync.ts';
import type { Writer } from '../file/writer.ts';
import type { StoreParts } from '../store-parts.ts';
import { DAY_MS, windowAt } from '../tables/budget-window.ts';
import { createLedgerTable, type Line } from '../tables/ledger-table.ts';

/** Reservations spent and uses forgotten by one transaction, so that nobody waits long behind it. */
const CHUNK = 200;

export interface LedgerParts extends StoreParts {
  /** Of a connection of its own, which does not wait for the disk (`makeQuick`). */
  readonly quick: { readonly connection: Connection; readonly writer: Writer };
  /** Syncs what that one wrote. */
  readonly sync: LateSync;
}

/** What is reserved and settled is not waited for to be on disk: docs/decisions/0006-unsynced-reservations.md. */
export function createLedger({
  quick,
  sync,
  writer: durable,
  limits: { maxAgeMs },
  clock,
  ...parts
}: LedgerParts): Ledger {
  const { connection, writer } = quick;
  const table = createLedgerTable(connection);
  const isKilled = connection.query('SELECT 1 FROM budget_killed WHERE tenant = ?');
  const killed = connection.query<{ tenant: string }>('SELECT tenant FROM budget_killed');
  const killOn = parts.connection.query('INSERT OR IGNORE INTO budget_killed VALUES (?)');
  const killOff = parts.connection.query('DELETE FROM budget_killed WHERE tenant = ?');

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
    kill: (tenant, on) => durable.write(() => void (on ? killOn : killOff).run(tenant)),
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
