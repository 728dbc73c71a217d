import type { Identifier } from '../../core/identity.ts';
import type { Logger } from '../../core/logger.ts';
import { type Limits, MAX_LIMIT_KEYS, MINUTE_MS } from '../../queue/limits.ts';
import { later } from './later.ts';
import { readAddress } from './source-keys.ts';

/** What was answered without a proof. All of it is bounded words. */
export interface Unproven {
  readonly tenant: string;
  readonly channel: string;
  /** A code without `ERR_`, in lower case, or an outcome: `signature_mismatch`, `handshake`. */
  readonly reason: string;
}

export interface Counted {
  /** Whether the source is over its limit. */
  readonly isOver: boolean;
  /** Whether this is its first of the minute, which is logged by itself; the others come in the minute's report. */
  readonly isFirst: boolean;
}

/** Counts what sources are answered without having proved anything. It asks no store and never waits. */
export interface SourceLimiter {
  /** Counts one answer. */
  count(source: string, unproven: Unproven): Counted;
  /** Whether the source is over its limit. */
  isOver(source: string): boolean;
  /** Reports what has not been reported yet. */
  close(): void;
}

/** Sources that are remembered, the latest to fail. 10,000 of them take about 6 MB. */
const MAX_SOURCES = MAX_LIMIT_KEYS;
/** Between two writes of counts to the store, in ms. */
const FLUSH_MS = 1_000;
/** A source with less than this share of the limit in this process is not written to the store. */
const BUSY_SHARE = 1 / 20;
/** An IPv6 site may have so many times the failures of one of its subscribers. */
const SITE_FACTOR = 8;
/** Kinds of failures that are told apart in a report. */
const MAX_KINDS = 16;
/** Sources that are named in the log in one minute; the others are counted together. */
const MAX_NAMED = 1_000;

interface Entry {
  /** Of this process, in this minute. */
  count: number;
  /** Of `count`, what the store has not been told. */
  fresh: number;
  /** Of all processes as the store last said; 0 before. */
  total: number;
  /** Whether its first answer was logged by itself. */
  isNamed: boolean;
  /** Null for the network around a source, which is counted and not reported. */
  readonly kinds: Map<string, { readonly unproven: Unproven; count: number }> | null;
}

/** `isShared` says whether an address stands for many senders; those are never over. */
export function createSourceLimiter({
  perMinute,
  limits,
  digest,
  isShared,
  clock,
  logger,
}: {
  /** Answers without a proof that a source may have in a minute. */
  readonly perMinute: number;
  readonly limits: Pick<Limits, 'addUp'>;
  readonly digest: Identifier['digest'];
  readonly isShared: (source: string) => boolean;
  readonly clock: () => number;
  readonly logger: Logger;
}): SourceLimiter {
  /** Of this minute, by key, the latest to fail last. */
  const entries = new Map<string, Entry>();
  const busyFrom = Math.max(1, Math.floor(perMinute * BUSY_SHARE));
  let minute = Math.floor(clock() / MINUTE_MS);
  let named = 0;
  let others = { sources: 0, count: 0 };
  let flushing: ReturnType<typeof setTimeout> | undefined;
  let turning: ReturnType<typeof setTimeout> | undefined;

  const keysOf = (source: string): readonly string[] => readAddress(source)?.keys ?? [source];
  const isKeyOver = (key: string, at: number): boolean => {
    const entry = entries.get(key);
    const limit = at === 0 ? perMinute : perMinute * SITE_FACTOR;
    return entry !== undefined && Math.max(entry.count, entry.total + entry.fresh) > limit;
  };

  /** The entry of a key, now the latest. */
  function touch(key: string, kinds: Entry['kinds']): Entry {
    const entry = entries.get(key) ?? { count: 0, fresh: 0, total: 0, isNamed: false, kinds };
    entries.delete(key);
    if (entries.size >= MAX_SOURCES) {
      const [[oldest, forgotten] = ['', entry]] = entries;
      tell(oldest, forgotten);
      entries.delete(oldest);
    }
    entries.set(key, entry);
    entry.count += 1;
    entry.fresh += 1;
    return entry;
  }

  function tell(source: string, { count, isNamed, kinds }: Entry): void {
    if (kinds === null) return;
    if (!isNamed) others = { sources: others.sources + 1, count: others.count + count };
    // One alone was logged when it happened.
    else if (count > 1) {
      const list = [...kinds.values()].map(({ unproven, count: each }) => ({ ...unproven, count: each }));
      logger.warn({ source, from: minute * MINUTE_MS, count, kinds: list }, 'source.unproven');
    }
  }

  /** Tells of the minute that is over, and begins anew. */
  function turn(now: number): void {
    const current = Math.floor(now / MINUTE_MS);
    if (current === minute) return;
    for (const [key, entry] of entries) tell(key, entry);
    if (others.sources > 0) logger.warn({ from: minute * MINUTE_MS, ...others }, 'source.unproven-others');
    entries.clear();
    named = 0;
    others = { sources: 0, count: 0 };
    minute = current;
  }

  async function flush(): Promise<void> {
    flushing = undefined;
    const busy = [...entries].filter(([, { fresh, count }]) => fresh > 0 && count >= busyFrom);
    const sent = busy.map(([key, entry]) => [digest('source', [key]), entry.fresh] as const);
    for (const [, entry] of busy) {
      entry.total += entry.fresh;
      entry.fresh = 0;
    }
    // Where the store is away, this process goes on with what it has seen itself.
    const sums = busy.length === 0 ? [] : await limits.addUp(new Map(sent)).catch(() => []);
    for (const [at, sum] of sums.entries()) {
      const entry = busy[at]?.[1];
      if (entry !== undefined) entry.total = Math.max(entry.total, sum);
    }
  }

  return {
    count(source, unproven) {
      const now = clock();
      turn(now);
      flushing ??= later(() => void flush(), FLUSH_MS);
      turning ??= later(() => {
        turning = undefined;
        turn(clock());
      }, MINUTE_MS);
      const [own = source, ...networks] = keysOf(source);
      for (const network of networks) touch(network, null);
      const entry = touch(own, new Map());
      if (entry.count === 1 && named < MAX_NAMED) {
        entry.isNamed = true;
        named += 1;
      }
      const kind = `${unproven.tenant} ${unproven.channel} ${unproven.reason}`;
      const known = entry.kinds?.get(kind);
      if (known !== undefined) known.count += 1;
      else if (entry.kinds !== null && entry.kinds.size < MAX_KINDS) entry.kinds.set(kind, { unproven, count: 1 });
      const isOver = !isShared(source) && [own, ...networks].some(isKeyOver);
      return { isOver, isFirst: entry.isNamed && entry.count === 1 };
    },
    isOver(source) {
      if (entries.size === 0) return false;
      turn(clock());
      return !isShared(source) && keysOf(source).some(isKeyOver);
    },
    close() {
      clearTimeout(flushing);
      clearTimeout(turning);
      turn(Number.POSITIVE_INFINITY);
    },
  };
}
