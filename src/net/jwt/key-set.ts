import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';

/** Google publishes 2 or 3 keys, Entra about 10, Bot Framework about 5; more than this is no issuer of ours. */
const MAX_KEYS = 64;

/**
 * What is read of a JSON Web Key (RFC 7517), and no more: private members are left out, and so is every member that
 * points elsewhere (`x5u`), because keys come from the configured address and from nowhere else.
 */
const publicKey = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().min(1).max(256),
  use: z.literal('sig').exactOptional(),
  alg: z.string().exactOptional(),
  n: z.string().exactOptional(),
  e: z.string().exactOptional(),
  crv: z.string().exactOptional(),
  x: z.string().exactOptional(),
  y: z.string().exactOptional(),
  /** Bot Framework: the channels for which this key may speak. */
  endorsements: z.array(z.string()).exactOptional(),
});

const keySet = z.object({ keys: z.array(z.unknown()).max(MAX_KEYS) });

export interface IssuerKey {
  /** The public key as a JWK. The same object every time, because jose remembers the imported key by it. */
  readonly jwk: Omit<z.output<typeof publicKey>, 'endorsements'>;
  readonly endorsements: readonly string[] | undefined;
}

/** Keys by id. An id that is used twice has two keys, and each of them counts. */
export type KeySet = ReadonlyMap<string, readonly IssuerKey[]>;

/**
 * Reads a JSON Web Key Set. Keys that cannot sign for us (symmetric, for encryption, without an id) are left out.
 * @throws SallyportError ERR_KEYS_UNAVAILABLE when it is no key set or holds no usable key
 */
export function parseKeySet(document: unknown): KeySet {
  const byId = new Map<string, IssuerKey[]>();
  for (const member of keySet.safeParse(document).data?.keys ?? []) {
    const parsed = publicKey.safeParse(member).data;
    if (parsed === undefined) continue;
    const { endorsements, ...jwk } = parsed;
    const known = byId.get(jwk.kid);
    if (known === undefined) byId.set(jwk.kid, [{ jwk, endorsements }]);
    else known.push({ jwk, endorsements });
  }
  if (byId.size === 0) throw new SallyportError('ERR_KEYS_UNAVAILABLE', 'the issuer has no usable key');
  return byId;
}
