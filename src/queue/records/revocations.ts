import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import type { Records } from '../records.ts';
import { createCollection } from './collection.ts';

/** What a revocation ends: one token, all tokens of a subject, or all of the tenant. */
export type RevocationTarget =
  | { readonly kind: 'jti' | 'sub'; readonly name: string }
  | { readonly kind: 'tenant'; readonly name?: undefined };

export interface Revocation {
  readonly id: string;
  readonly kind: RevocationTarget['kind'];
  /** The token's id or the subject, as it may be shown. */
  readonly name?: string;
  /** Epoch ms: of `sub` and `tenant`, tokens issued before it are revoked. */
  readonly before: number;
  /** Epoch ms. */
  readonly revokedAt: number;
  /** The subject who did it. */
  readonly by: string;
}

/** What is known of a token whose signature was verified. */
export interface IssuedToken {
  readonly subject: string;
  readonly jti?: string | undefined;
  /** Epoch ms; undefined where the token does not say, which counts as issued before every revocation. */
  readonly issuedAt?: number | undefined;
}

/** Revoked tokens of each tenant. What one process writes, every other one reads at its next request. */
export interface Revocations {
  /** @throws SallyportError ERR_STORE_UNAVAILABLE, ERR_STORE_MISMATCH: then nothing is known, and no token may be accepted */
  isRevoked(tenant: string, token: IssuedToken): Promise<boolean>;
  /** The revocation's id: the same one for the same target. */
  idOf(target: RevocationTarget): string;
  /** Makes sure that there is room for one more; for the one of the whole tenant there always is. @throws SallyportError ERR_REVOCATIONS_FULL, ERR_STORE_UNAVAILABLE */
  reserve(tenant: string, id: string): Promise<void>;
  /**
   * Adds it, or moves the one of the same target to the later `before`. Resolves with what holds now.
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  add(tenant: string, revocation: Revocation): Promise<Revocation>;
  /** Those that still concern a token which could be alive, the latest first. @throws SallyportError ERR_STORE_UNAVAILABLE */
  list(tenant: string): Promise<readonly Revocation[]>;
  /** Null when there is none. @throws SallyportError ERR_STORE_UNAVAILABLE */
  get(tenant: string, id: string): Promise<Revocation | null>;
  remove(tenant: string, id: string): Promise<void>;
}

/**
 * Revocations of one tenant. Each is about 200 bytes, and the list is read whole. More people than that at once are
 * reached by revoking the tenant.
 */
export const MAX_REVOCATIONS = 1_000;

const schema = z.object({
  v: z.literal(1),
  kind: z.enum(['jti', 'sub', 'tenant']),
  name: z.string().exactOptional(),
  before: z.number(),
  revokedAt: z.number(),
  by: z.string(),
});

/**
 * `maxLifeMs`: the greatest life of a token. `skewMs`: how far the clocks of issuer and gate may differ; a token may be
 * issued that much late and accepted that much after its end.
 */
export function createRevocations({
  records,
  digest,
  clock,
  maxLifeMs,
  skewMs,
}: {
  readonly records: Records;
  readonly digest: Identifier['digest'];
  readonly clock: Clock;
  readonly maxLifeMs: number;
  readonly skewMs: number;
}): Revocations {
  const stored = createCollection(records, 'revocations', schema);
  /** No token that it concerns can be alive. Decided when it is read, so that a greater life keeps it for longer. */
  const isOver = ({ before, revokedAt }: Pick<Revocation, 'before' | 'revokedAt'>): boolean =>
    clock() >= Math.max(before, revokedAt) + maxLifeMs + 2 * skewMs;
  const idOf = ({ kind, name }: RevocationTarget): string =>
    name === undefined ? kind : `${kind}_${digest('revocation', [kind, name])}`;
  const get = async (tenant: string, id: string): Promise<Revocation | null> => {
    const found = await stored.get(tenant, id);
    return found === null || isOver(found) ? null : { id, ...found };
  };
  return {
    async isRevoked(tenant, { subject, jti, issuedAt = Number.NEGATIVE_INFINITY }) {
      const [byId, ...wide] = await Promise.all([
        jti === undefined ? null : get(tenant, idOf({ kind: 'jti', name: jti })),
        get(tenant, idOf({ kind: 'sub', name: subject })),
        get(tenant, idOf({ kind: 'tenant' })),
      ]);
      return byId !== null || wide.some((one) => one !== null && issuedAt < one.before);
    },
    idOf,
    async reserve(tenant, id) {
      const { records: all, unreadable } = await stored.list(tenant);
      const over = [...all].filter(([, one]) => isOver(one)).map(([name]) => name);
      const removeOver = (known: z.output<typeof schema> | null) => (known === null || isOver(known) ? null : known);
      for (const name of over) await stored.update(tenant, name, removeOver);
      if (
        all.has(id) ||
        id === idOf({ kind: 'tenant' }) ||
        all.size + unreadable.length - over.length < MAX_REVOCATIONS
      )
        return;
      throw new SallyportError(
        'ERR_REVOCATIONS_FULL',
        `a tenant has at most ${MAX_REVOCATIONS} revocations; revoke the whole tenant, or delete some`,
      );
    },
    async add(tenant, { id, ...revocation }) {
      const kept = await stored.update(tenant, id, (known) => ({
        v: 1,
        ...revocation,
        before: Math.max(revocation.before, known?.before ?? 0),
      }));
      return { ...revocation, ...kept, id };
    },
    async list(tenant) {
      const { records: all } = await stored.list(tenant);
      return [...all]
        .filter(([, one]) => !isOver(one))
        .map(([id, one]) => ({ ...one, id }))
        .toSorted((a, b) => b.revokedAt - a.revokedAt);
    },
    get,
    remove: (tenant, id) => stored.replace(tenant, id, null),
  };
}
