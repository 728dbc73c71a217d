import { z } from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { SallyportError } from '../../../core/errors.ts';

export interface AccessTokenDeps {
  /** Entra's token endpoint of the tenant. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** `https://graph.microsoft.com/.default`: every permission an administrator has granted. */
  readonly scope: string;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** The app's own token. */
export interface AccessTokens {
  /** @throws SallyportError ERR_SOURCE_UNAVAILABLE, or ERR_SOURCE_REJECTED when Entra does not know the credentials */
  get(): Promise<string>;
  /** Forgets a token that Graph refused. */
  drop(token: string): void;
}

/** One request, in ms. */
const TIMEOUT_MS = 5_000;

/** A token is not used in its last 5 minutes: our clock and Entra's may be that far apart. */
const MARGIN_MS = 300_000;

const granted = z.looseObject({
  access_token: z.string().min(1).max(16_384),
  expires_in: z.coerce.number().int().positive(),
});

/** Client credentials (RFC 6749, 4.4). Calls that need a token at the same time share one request. */
export function createAccessTokens(deps: AccessTokenDeps): AccessTokens {
  let held: { readonly token: string; readonly until: number } | null = null;
  let pending: Promise<string> | null = null;

  const request = async (): Promise<string> => {
    const askedAt = deps.clock();
    try {
      const { access_token: token, expires_in: seconds } = await ask(deps);
      held = { token, until: askedAt + seconds * 1000 - MARGIN_MS };
      return token;
    } finally {
      pending = null;
    }
  };

  return {
    async get() {
      if (held !== null && deps.clock() < held.until) return held.token;
      pending ??= request();
      return pending;
    },
    drop(token) {
      if (held?.token === token) held = null;
    },
  };
}

async function ask(deps: AccessTokenDeps): Promise<z.infer<typeof granted>> {
  const response = await deps
    .fetch(deps.tokenUrl, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: deps.clientId,
        client_secret: deps.clientSecret,
        scope: deps.scope,
      }),
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    .catch((cause: unknown) => {
      throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Entra could not be asked for a token', { cause });
    });
  // What is wrong with credentials is answered 400 or 401, and stays wrong.
  if (response.status === 400 || response.status === 401) {
    await response.body?.cancel();
    throw new SallyportError('ERR_SOURCE_REJECTED', 'Entra refuses GRAPH_CLIENT_ID and GRAPH_CLIENT_SECRET');
  }
  // Read before it is looked at: an answer that is not JSON is as good as none.
  const parsed = granted.safeParse(await response.json().catch(() => null));
  if (response.status === 200 && parsed.success) return parsed.data;
  throw new SallyportError('ERR_SOURCE_UNAVAILABLE', 'Entra gave no token');
}
