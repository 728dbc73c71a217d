import {
  type AccountLimit,
  amountsIn,
  type Ledger,
  linesOf,
  type Reserved,
  type ReserveRequest,
  type Settled,
  type Use,
  WARN_AT,
} from '../../ledger.ts';
import type { StoreLimits } from '../../store.ts';
import { type ScriptArgument, scripts } from '../scripts.ts';
import type { Shards } from '../shards.ts';

/** Everything lives under one tag, because one reservation spans tenants, users and the whole installation. */
export function createLedger({
  shards,
  patientShards,
  limits: { maxAgeMs },
}: {
  /** For callers who wait for an HTTP answer. */
  readonly shards: Shards;
  /** For workers. */
  readonly patientShards: () => Shards;
  readonly limits: StoreLimits;
}): Ledger {
  const { budget: tag } = shards.keys;
  return {
    async reserve(request) {
      const { run, now } = patientShards();
      const lines = linesOf(request);
      const answer = await run(scripts.ledgerReserve, tag, [
        now(),
        ...head(request, maxAgeMs),
        ...lines.flatMap(lineOf(request)),
      ]);
      return reserved(answer as ReserveAnswer, request.id, lines);
    },
    async settle({ id, lines }, actual) {
      if (lines === 0) return { isLate: false, warnings: [] };
      const { run, now } = patientShards();
      const used = Object.entries(amountsIn(actual)).flat();
      return settled((await run(scripts.ledgerSettle, tag, [now(), id, ...used])) as readonly string[]);
    },
    async usage(limits) {
      const lines = limits.flatMap(({ scope, account, window, resource }) => [scope, account, window, resource]);
      for (;;) {
        const [more, ...figures] = (await shards.run(scripts.ledgerUsage, tag, [shards.now(), ...lines])) as number[];
        if (more === 0) return limits.map((_, index) => useOf(figures.slice(index * 3, index * 3 + 3)));
      }
    },
    async kill(tenant, on) {
      const key = `${tag}:killed`;
      await (on ? shards.client.sadd(key, tenant) : shards.client.srem(key, tenant)).catch((error: unknown) => {
        throw shards.failed(error);
      });
    },
    async killed() {
      // Asked again soon, so it may fail fast.
      return new Set((await shards.run(scripts.ledgerKilled, tag, [shards.now()])) as string[]);
    },
  };
}

/** A run's use is kept for as long as its event may be attempted. */
const head = ({ id, tenant, ttlMs, tell }: ReserveRequest, runKeepMs: number): ScriptArgument[] => [
  ...[id, tenant, Math.ceil(ttlMs), runKeepMs, WARN_AT],
  ...[tell?.listener ?? '', tell?.teller ?? ''],
];

const lineOf =
  ({ amounts }: ReserveRequest) =>
  ({ scope, account, window, resource, max }: AccountLimit): ScriptArgument[] => [
    ...[scope, account, window, resource, amounts[resource] ?? 0],
    max === 'unlimited' ? '' : max,
  ];

type ReserveAnswer =
  | readonly ['reserved' | 'killed']
  | readonly ['exhausted', index: number, endsAt: number, mayFree: number, news: number];

function reserved(answer: ReserveAnswer, id: string, lines: readonly AccountLimit[]): Reserved {
  if (answer[0] === 'killed') return { kind: 'killed' };
  if (answer[0] === 'reserved') return { kind: 'reserved', reservation: { id, lines: lines.length } };
  const [, index, endsAt, mayFree, news] = answer as Extract<ReserveAnswer, readonly ['exhausted', ...unknown[]]>;
  const limit = lines[index];
  if (limit === undefined) throw new Error('the ledger named a limit that was not asked about');
  return { kind: 'exhausted', limit, resetsAt: endsAt || null, mayFree: mayFree === 1, isNews: news === 1 };
}

function settled([state, ...named]: readonly string[]): Settled {
  const warnings = Array.from({ length: named.length / 3 }, (_, index) => {
    const [scope, window, resource] = named.slice(index * 3);
    return { scope, window, resource } as Settled['warnings'][number];
  });
  return { isLate: state === 'late', warnings };
}

const useOf = ([used = 0, held = 0, endsAt = 0]: readonly number[]): Use => ({
  spent: used - held,
  reserved: held,
  resetsAt: endsAt || null,
});
