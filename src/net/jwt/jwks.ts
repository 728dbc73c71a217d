import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import type { KeepAlive } from '../../core/keep-alive.ts';
import { withinTime } from '../../core/linked-signal.ts';
import { fetchKeySet, type KeySource } from './fetch-key-set.ts';
import type { IssuerKey, KeySet } from './key-set.ts';

export interface JwksOptions extends Omit<KeySource, 'kind'> {
  /** Default `jwks`: the document at `url` is the key set itself. */
  readonly kind?: KeySource['kind'];
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  /** For a refresh that no delivery waits for. Absent: the runtime lets it end by itself. */
  readonly keepAlive?: KeepAlive | undefined;
  /** An unknown key id asks the issuer again at most this often, in ms. Default 30 s. */
  readonly cooldownMs?: number;
  /** Keys older than this are fetched anew before they are used, in ms; the issuer's `max-age` can only shorten it. Default 6 h. */
  readonly maxAgeMs?: number;
  /** Keys are used up to this age while the issuer cannot be reached, in ms. Default 3 days. */
  readonly staleMs?: number;
}

/** An issuer's keys, remembered. */
export interface Jwks {
  /**
   * The keys with that id: several where the issuer uses an id twice, none where it certainly has no such key.
   * @throws SallyportError ERR_KEYS_UNAVAILABLE when the issuer cannot be asked and nothing that is known answers it
   */
  find(kid: string): Promise<readonly IssuerKey[]>;
}

const COOLDOWN_MS = 30_000;
/** Google's own `max-age` is about 6 h; Bot Framework's SDK keeps keys for 24 h. */
const MAX_AGE_MS = 6 * 3_600_000;
/** Bot Framework allows keys to be kept for 5 days; a key that was withdrawn must not live on that long with us. */
const STALE_MS = 3 * 86_400_000;

/** After a failed fetch, in ms: soon enough that an issuer's hiccup costs no delivery its retries. */
const RETRY_MS = 1_000;

/** The share of its life after which a key set is fetched anew behind the delivery's back instead of before it. */
const EARLY = 0.8;

/**
 * How long a fetch is waited for, in ms, and after which another one is made. `fetchKeySet` has a limit of its own, but its
 * timer dies with the request that started it where a runtime binds timers to requests.
 */
const PENDING_MS = 2_500;

/** Keys as they were when the issuer was asked. */
interface Held {
  readonly keys: KeySet;
  readonly fetchedAt: number;
  readonly freshMs: number;
}

/** Fetches on first use. Whoever needs the keys while they are being fetched waits for that one fetch. */
export function createJwks({ clock, fetch, url, kind = 'jwks', keepAlive, ...options }: JwksOptions): Jwks {
  const { cooldownMs = COOLDOWN_MS, maxAgeMs = MAX_AGE_MS, staleMs = STALE_MS } = options;
  let held: Held | null = null;
  let lastTry: { readonly at: number; readonly failed: boolean } | null = null;
  let pending: { readonly since: number; readonly done: Promise<void> } | null = null;

  const load = async (at: number): Promise<void> => {
    try {
      const fetched = await fetchKeySet({ url, kind }, fetch);
      // An issuer that wants no caching at all is still asked no more often than unknown ids may ask.
      const freshMs = Math.min(maxAgeMs, Math.max(fetched.maxAgeMs ?? maxAgeMs, cooldownMs));
      held = { keys: fetched.keys, fetchedAt: at, freshMs };
      lastTry = { at, failed: false };
    } catch {
      lastTry = { at, failed: true };
    }
  };

  /** Asks the issuer, unless it was asked a moment ago. Never rejects: `held` and `lastTry` tell what came of it. */
  const refresh = (): Promise<void> => {
    const now = clock();
    if (pending !== null && !hasPassed(pending.since, PENDING_MS, now)) return pending.done;
    if (lastTry !== null && !hasPassed(lastTry.at, lastTry.failed ? RETRY_MS : cooldownMs, now)) {
      return Promise.resolve();
    }
    const own = {
      since: now,
      done: load(now).finally(() => {
        if (pending === own) pending = null;
      }),
    };
    pending = own;
    keepAlive?.(own.done);
    return own.done;
  };

  /** Waits for `refresh` by a timer of its own, since another request may have started it. */
  const refreshed = (): Promise<void> =>
    withinTime(PENDING_MS, undefined, refresh).catch(() => {
      lastTry = { at: clock(), failed: true };
    });

  const known = (kid: string): readonly IssuerKey[] =>
    held === null || hasPassed(held.fetchedAt, staleMs, clock()) ? [] : (held.keys.get(kid) ?? []);

  return {
    async find(kid) {
      if (held === null || hasPassed(held.fetchedAt, held.freshMs, clock())) await refreshed();
      else if (hasPassed(held.fetchedAt, held.freshMs * EARLY, clock())) void refresh();
      if (known(kid).length === 0) await refreshed();
      const keys = known(kid);
      // While the issuer is silent an unknown id may be its newest key, so it is not the sender who is at fault.
      if (keys.length === 0 && (lastTry === null || lastTry.failed)) {
        throw new SallyportError('ERR_KEYS_UNAVAILABLE', 'the keys of the issuer cannot be fetched');
      }
      return keys;
    },
  };
}

/** A clock that was set back counts as passed: better one fetch too many than keys that never age. */
const hasPassed = (since: number, forMs: number, now: number): boolean => now < since || now - since >= forMs;
