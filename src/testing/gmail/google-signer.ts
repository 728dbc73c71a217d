import { type Claims, forgeToken, type SigningKey, signToken, type TokenForgery } from '../keys/signing-key.ts';

/** What a push subscription is set up with. */
export interface PushTokenOptions {
  /** One of the keys that the JWKS under `GOOGLE_JWKS_URL` publishes. */
  readonly key: SigningKey;
  readonly audience: string;
  readonly serviceAccount: string;
  /** Epoch milliseconds at which the token is made; it is good for an hour. */
  readonly at: number;
}

/** Ways to spoil a push's token. Each of them must be answered 401. */
export type PushTokenForgery =
  | TokenForgery
  | 'other-audience'
  /** A valid Google token of somebody else's service account. */
  | 'other-account'
  | 'unverified-email'
  | 'email-verified-as-text'
  | 'email-verified-missing'
  | 'exp-missing'
  | 'iat-missing'
  | 'expired'
  | 'from-the-future'
  | 'other-issuer';

const HOUR_SECONDS = 3_600;

/** The claims of the OIDC token that Pub/Sub sends with a push. */
export function pushClaims({ audience, serviceAccount, at }: Omit<PushTokenOptions, 'key'>): Claims {
  const iat = Math.floor(at / 1000);
  return {
    aud: audience,
    azp: '113774264463038321964',
    email: serviceAccount,
    email_verified: true,
    exp: iat + HOUR_SECONDS,
    iat,
    iss: 'https://accounts.google.com',
    sub: '113774264463038321964',
  };
}

/** What each forgery of the claims puts in place of the honest ones. */
const spoiled: Readonly<Record<Exclude<PushTokenForgery, TokenForgery>, (honest: Claims) => Claims>> = {
  'other-audience': () => ({ aud: 'https://other.example/hooks/gmail' }),
  'other-account': () => ({ email: 'somebody@other-project.iam.gserviceaccount.com' }),
  'unverified-email': () => ({ email_verified: false }),
  'email-verified-as-text': () => ({ email_verified: 'true' }),
  'email-verified-missing': () => ({ email_verified: undefined }),
  'exp-missing': () => ({ exp: undefined }),
  'iat-missing': () => ({ iat: undefined }),
  expired: ({ iat }) => ({ iat: Number(iat) - 2 * HOUR_SECONDS, exp: Number(iat) - HOUR_SECONDS }),
  'from-the-future': ({ iat }) => ({ iat: Number(iat) + HOUR_SECONDS, exp: Number(iat) + 2 * HOUR_SECONDS }),
  'other-issuer': () => ({ iss: 'https://accounts.example.com' }),
};

/** The token of an honest push, or one forged in exactly the way `forgery` names. */
export function signPushToken(options: PushTokenOptions, forgery?: PushTokenForgery): string {
  const honest = pushClaims(options);
  if (forgery === undefined) return signToken(honest, options.key);
  if (isClaimForgery(forgery)) return signToken({ ...honest, ...spoiled[forgery](honest) }, options.key);
  return forgeToken(honest, options.key, forgery);
}

/** Every forgery of the claims, for tests that go through all of them. */
export const pushClaimForgeries = Object.keys(spoiled) as readonly Exclude<PushTokenForgery, TokenForgery>[];

const isClaimForgery = (forgery: PushTokenForgery): forgery is Exclude<PushTokenForgery, TokenForgery> =>
  Object.hasOwn(spoiled, forgery);
