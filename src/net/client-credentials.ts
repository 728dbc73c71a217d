import * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import { withinTime } from '../core/linked-signal.ts';
import { type CallFailure, type CallOutcome, failureOfAnswer, failureOfThrown } from './call-outcome.ts';

export interface ClientCredentials {
  /** The issuer's token endpoint. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** An application's own token. */
export interface AccessTokens {
  /** Never throws: what went wrong is the outcome, and is never ambiguous, since asking has no effect. */
  get(): Promise<CallOutcome<string>>;
  /** Forgets a token that was refused. */
  drop(token: string): void;
}

/** One request, in ms; whoever needs the token has a time limit of its own besides. */
const TIMEOUT_MS = 5_000;

/** A token is not used in its last 5 minutes: our clock and the issuer's may be that far apart. */
const MARGIN_MS = 300_000;

/** Throttling. Wrong credentials are answered 400 or 401, and stay wrong. */
const passing: ReadonlySet<number> = new Set([429]);

const granted = z.looseObject({
  access_token: z.string().min(1).max(16_384),
  expires_in: z.coerce.number().int().positive(),
});

/** Client credentials (RFC 6749, 4.4). Calls that need a token at the same time share one request. */
export function createAccessTokens(credentials: ClientCredentials): AccessTokens {
  const { clock } = credentials;
  let held: { readonly token: string; readonly until: number } | null = null;
  let pending: Promise<CallOutcome<string>> | null = null;

  const request = async (): Promise<CallOutcome<string>> => {
    const askedAt = clock();
    const outcome = await ask(credentials);
    pending = null;
    if (outcome.kind !== 'ok') return outcome;
    const { access_token: token, expires_in: seconds } = outcome.value;
    held = { token, until: askedAt + seconds * 1000 - MARGIN_MS };
    return { kind: 'ok', value: token };
  };

  return {
    async get() {
      if (held !== null && clock() < held.until) return { kind: 'ok', value: held.token };
      pending ??= request();
      return pending;
    },
    drop(token) {
      if (held?.token === token) held = null;
    },
  };
}

async function ask({
  tokenUrl,
  clientId: client_id,
  clientSecret: client_secret,
  scope,
  fetch,
}: ClientCredentials): Promise<CallOutcome<z.infer<typeof granted>>> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id, client_secret, scope });
  try {
    return await withinTime(TIMEOUT_MS, undefined, async (signal) => {
      const response = await fetch(tokenUrl, { method: 'POST', body, redirect: 'manual', signal });
      if (response.status !== 200) return settle(failureOfAnswer(response, passing), wordOf(await response.text()));
      const parsed = granted.safeParse(await response.json());
      return parsed.success ? { kind: 'ok', value: parsed.data } : { kind: 'unavailable', why: 'token_malformed' };
    });
  } catch (error) {
    return settle(failureOfThrown(error));
  }
}

const refusal = z.looseObject({
  error: z
    .string()
    .regex(/^[a-z_]{1,56}$/)
    .optional()
    .catch(undefined),
  error_codes: z
    .tuple([z.int().min(1).max(99_999_999)], z.unknown())
    .optional()
    .catch(undefined),
});

/** The issuer's own word for a refusal: Entra's number, or the error of RFC 6749, 5.2. */
function wordOf(body: string): string | undefined {
  let answer: z.infer<typeof refusal> | undefined;
  try {
    answer = refusal.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
  const number = answer?.error_codes?.[0];
  if (number !== undefined) return `AADSTS${number}`;
  return answer?.error === undefined ? undefined : `token_${answer.error}`;
}

/** After a failure that proves nothing a token may be requested again: asking has no effect. */
function settle(failure: CallFailure, word?: string): CallFailure {
  const why = word ?? `token_${failure.why}`;
  return failure.kind === 'ambiguous' ? { kind: 'unavailable', why } : { ...failure, why };
}
