import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** An issuer's key pair; `jwk` is what its key set publishes. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}

export interface SigningKeyOptions {
  readonly kid?: string;
  /** Bot Framework: the channels the key may speak for. */
  readonly endorsements?: readonly string[];
}

/** A fresh RSA key of 2048 bits, the size that Google and Microsoft use. */
export function createSigningKey({
  kid = randomBytes(8).toString('hex'),
  endorsements,
}: SigningKeyOptions = {}): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return signingKey({ kid, privateKey, publicKey }, endorsements);
}

/** The same for a key pair that is already there. */
export function signingKey(
  pair: Pick<SigningKey, 'kid' | 'privateKey' | 'publicKey'>,
  endorsements?: readonly string[],
): SigningKey {
  const published = { ...pair.publicKey.export({ format: 'jwk' }), kid: pair.kid, use: 'sig', alg: 'RS256' };
  return { ...pair, jwk: endorsements === undefined ? published : { ...published, endorsements } };
}

/** Making a pair of 2048 bits takes up to half a second, so all forgeries of a process are made with one. */
let foreignPair: SigningKey | undefined;

/** A key that no issuer publishes, under the given id. */
function foreignKey(kid: string): SigningKey {
  foreignPair ??= createSigningKey();
  return signingKey({ ...foreignPair, kid });
}

export type Claims = Readonly<Record<string, unknown>>;

/** A JWT as an honest issuer makes it (RS256). Claims that are undefined are left out. */
export function signToken(claims: Claims, key: SigningKey, header: Claims = {}): string {
  const input = signingInput({ alg: 'RS256', kid: key.kid, typ: 'JWT', ...header }, claims);
  return `${input}.${sign('RSA-SHA256', Buffer.from(input), key.privateKey).toString('base64url')}`;
}

/** Ways to make a token that carries the same claims and must be refused. */
export const tokenForgeries = [
  /** No signature at all. */
  'alg-none',
  /** Signed with the public key as if it were a shared secret. */
  'hs256-public-key',
  /** A key the issuer never published, under an id it never used. */
  'unknown-kid',
  /** A key the issuer never published, under an id it does use. */
  'colliding-kid',
  /** The same, with the attacker's key in the header. */
  'embedded-jwk',
  /** The same, with the address of the attacker's key set in the header. */
  'foreign-jku',
  'foreign-x5u',
  /** An honest token with other claims put in. */
  'altered-claims',
  'no-kid',
] as const;
export type TokenForgery = (typeof tokenForgeries)[number];

/** `key` is the issuer's. `foreignUrl` is where the attacker serves keys, for the forgeries that name such a place. */
export function forgeToken(
  claims: Claims,
  key: SigningKey,
  forgery: TokenForgery,
  foreignUrl = 'https://attacker.example/keys',
): string {
  const stranger = (): SigningKey => foreignKey(key.kid);
  switch (forgery) {
    case 'alg-none':
      return `${signingInput({ alg: 'none', kid: key.kid }, claims)}.`;
    case 'hs256-public-key': {
      const input = signingInput({ alg: 'HS256', kid: key.kid }, claims);
      const secret = key.publicKey.export({ format: 'pem', type: 'spki' });
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    }
    case 'unknown-kid':
      return signToken(claims, foreignKey(randomBytes(8).toString('hex')));
    case 'colliding-kid':
      return signToken(claims, stranger());
    case 'embedded-jwk': {
      const foreign = stranger();
      return signToken(claims, foreign, { jwk: foreign.jwk });
    }
    case 'foreign-jku':
      return signToken(claims, stranger(), { jku: foreignUrl });
    case 'foreign-x5u':
      return signToken(claims, stranger(), { x5u: foreignUrl });
    case 'altered-claims': {
      const [header, , signature] = signToken({ ...claims, sub: 'somebody else' }, key).split('.');
      return `${header}.${encode(claims)}.${signature}`;
    }
    case 'no-kid':
      return signToken(claims, key, { kid: undefined });
  }
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const signingInput = (header: Claims, claims: Claims): string => `${encode(header)}.${encode(claims)}`;
