import { z } from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { type CallFailure, type CallOutcome, failureOfStatus, failureOfThrown } from './outcome.ts';

export interface AccessTokenDeps {
  readonly appId: string;
  readonly appPassword: string;
  /** Entra's token endpoint, of the bot's own tenant or of `botframework.com`. */
  readonly tokenUrl: string;
  readonly scope: string;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** The bot's own token for the connector. */
export interface AccessTokens {
  /** Never throws: what went wrong is the outcome, and is never ambiguous, since asking has no effect. */
  get(): Promise<CallOutcome<string>>;
  /** Forgets a token the connector refused. */
  drop(token: string): void;
}

/** One request, in ms; whoever replies has a time limit of its own besides. */
const TIMEOUT_MS = 5_000;

/** A token is not used in its last 5 minutes: our clock and Microsoft's may be that far apart. */
const MARGIN_MS = 300_000;

const granted = z.looseObject({
  access_token: z.string().min(1).max(16_384),
  expires_in: z.coerce.number().int().positive(),
});

/** Client credentials (RFC 6749, 4.4). Replies that need a token at the same time share one request. */
export function createAccessTokens(deps: AccessTokenDeps): AccessTokens {
  let held: { readonly token: string; readonly until: number } | null = null;
  let pending: Promise<CallOutcome<string>> | null = null;

  const request = async (): Promise<CallOutcome<string>> => {
    const askedAt = deps.clock();
    const outcome = await ask(deps);
    pending = null;
    if (outcome.kind !== 'ok') return outcome;
    const { access_token: token, expires_in: seconds } = outcome.value;
    held = { token, until: askedAt + seconds * 1000 - MARGIN_MS };
    return { kind: 'ok', value: token };
  };

  return {
    async get() {
      if (held !== null && deps.clock() < held.until) return { kind: 'ok', value: held.token };
      pending ??= request();
      return pending;
    },
    drop(token) {
      if (held?.token === token) held = null;
    },
  };
}

async function ask(deps: AccessTokenDeps): Promise<CallOutcome<z.infer<typeof granted>>> {
  try {
    const response = await deps.fetch(deps.tokenUrl, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: deps.appId,
        client_secret: deps.appPassword,
        scope: deps.scope,
      }),
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (response.status !== 200) return settle(failureOfStatus(response.status, response.headers.get('retry-after')));
    const parsed = granted.safeParse(await response.json());
    return parsed.success ? { kind: 'ok', value: parsed.data } : { kind: 'unavailable', why: 'token_malformed' };
  } catch (error) {
    return settle(failureOfThrown(error));
  }
}

/** Wrong credentials are answered 400 or 401, and stay wrong; after any other failure a token may be requested again. */
function settle(failure: CallFailure): CallFailure {
  const why = `token_${failure.why}`;
  if (failure.why === 'http_401') return { kind: 'rejected', why };
  return failure.kind === 'ambiguous' ? { kind: 'unavailable', why } : { ...failure, why };
}
