import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import type { Records } from '../records.ts';
import { type Collection, createCollection } from './collection.ts';

const answerSchema = z.object({ status: z.number(), headers: z.record(z.string(), z.string()), body: z.string() });
/** What a request was answered. */
export type StoredAnswer = Readonly<z.output<typeof answerSchema>>;

export type Begun =
  /** The key is new: the caller does what was asked for, then calls `finish` or `release`. */
  | { readonly kind: 'begun' }
  | { readonly kind: 'answered'; readonly answer: StoredAnswer }
  /** The same request is under way. */
  | { readonly kind: 'running' }
  /** The same request began and never ended: what it did is not known. */
  | { readonly kind: 'lost' }
  /** The key stands for another request. */
  | { readonly kind: 'other' }
  /** Too many keys are remembered. */
  | { readonly kind: 'full' };

/** Requests that name themselves, so that sending one again does nothing twice. */
export interface IdempotencyKeys {
  /**
   * @param name digest of the key and of whose it is
   * @param fingerprint digest of all that was asked for
   * @param owner unique to this call
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  begin(tenant: string, name: string, fingerprint: string, owner: string): Promise<Begun>;
  /** Remembers the answer. @throws SallyportError ERR_STORE_UNAVAILABLE: the key then counts as `lost` */
  finish(tenant: string, name: string, owner: string, answer: StoredAnswer): Promise<void>;
  /** Forgets the key: nothing was done. @throws SallyportError ERR_STORE_UNAVAILABLE */
  release(tenant: string, name: string, owner: string): Promise<void>;
  /**
   * Puts `instead` in the place of every answer of the tenant whose body `isErased`. Resolves with how many.
   * @throws SallyportError ERR_STORE_UNAVAILABLE, or what `isErased` throws
   */
  erase(tenant: string, isErased: (body: string) => Promise<boolean>, instead: StoredAnswer): Promise<number>;
  /** Drops the tenant's keys whose time is over. Resolves with how many. @throws SallyportError ERR_STORE_UNAVAILABLE */
  forget(tenant: string): Promise<number>;
}

/** How long a key is remembered, in ms. */
export const KEY_LIFE_MS = 86_400_000;
/** How long a request may be under way, in ms: an edit of a review waits 20 s for guardrails, everything else less. */
const RUNNING_MS = 60_000;
/** Keys of a tenant are spread over so many collections, so that none that is read whole is large. */
const BUCKETS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
/** Keys in one of them; 16,384 of a tenant, more or less. */
const MAX_IN_BUCKET = 256;

const keySchema = z.object({
  v: z.literal(1),
  /** Epoch ms. */
  at: z.number(),
  fingerprint: z.string(),
  owner: z.string(),
  answer: answerSchema.optional(),
});
type Key = z.output<typeof keySchema>;

export function createIdempotencyKeys(records: Records, clock: Clock): IdempotencyKeys {
  const bucketOf = (name: string): Collection<Key> =>
    createCollection(records, `idempotency-${name.slice(0, 1)}`, keySchema);
  const isOver = ({ at }: Key): boolean => clock() - at >= KEY_LIFE_MS;

  /** Drops what is over, and says how many are left. */
  async function tidy(tenant: string, bucket: Collection<Key>): Promise<{ left: number; dropped: number }> {
    const { records: known } = await bucket.list(tenant);
    let dropped = 0;
    for (const [name, key] of known) {
      if (!isOver(key)) continue;
      await bucket.update(tenant, name, (now) => (now !== null && isOver(now) ? null : now));
      dropped += 1;
    }
    return { left: known.size - dropped, dropped };
  }

  return {
    async begin(tenant, name, fingerprint, owner) {
      const bucket = bucketOf(name);
      const { left } = await tidy(tenant, bucket);
      let begun: Begun = { kind: 'begun' };
      await bucket.update(tenant, name, (known) => {
        begun = known === null || isOver(known) ? { kind: 'begun' } : found(known, fingerprint, owner, clock());
        if (begun.kind !== 'begun' || known?.owner === owner) return known;
        if (left >= MAX_IN_BUCKET) {
          begun = { kind: 'full' };
          return known;
        }
        return { v: 1, at: clock(), fingerprint, owner };
      });
      return begun;
    },
    async finish(tenant, name, owner, answer) {
      await bucketOf(name).update(tenant, name, (known) => (known?.owner === owner ? { ...known, answer } : known));
    },
    async release(tenant, name, owner) {
      await bucketOf(name).update(tenant, name, (known) => (known?.owner === owner ? null : known));
    },
    async erase(tenant, isErased, instead) {
      let erased = 0;
      for (const first of BUCKETS) {
        const bucket = bucketOf(first);
        for (const [name, { owner, answer }] of (await bucket.list(tenant)).records) {
          if (answer === undefined || !(await isErased(answer.body))) continue;
          await bucket.update(tenant, name, (known) =>
            known?.owner === owner ? { ...known, answer: instead } : known,
          );
          erased += 1;
        }
      }
      return erased;
    },
    async forget(tenant) {
      let dropped = 0;
      for (const first of BUCKETS) dropped += (await tidy(tenant, bucketOf(first))).dropped;
      return dropped;
    },
  };
}

/** What a key that is known says about the request that names it. */
function found(known: Key, fingerprint: string, owner: string, now: number): Begun {
  // The same call, sent to the store again after a lost answer.
  if (known.owner === owner) return { kind: 'begun' };
  if (known.fingerprint !== fingerprint) return { kind: 'other' };
  if (known.answer !== undefined) return { kind: 'answered', answer: known.answer };
  return { kind: now - known.at < RUNNING_MS ? 'running' : 'lost' };
}
