import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { SallyportError } from '../../core/errors.ts';
import { withinTime } from '../../core/linked-signal.ts';

/**
 * Whether the issuer says that a token is active.
 * @throws SallyportError ERR_INTROSPECTION_UNAVAILABLE when it does not say so in time
 */
export type Introspect = (token: string) => Promise<boolean>;

/** How long an active answer is believed, in ms. A refusal is asked about again at every request. */
const ACTIVE_MS = 30_000;
/** Active answers remembered. The oldest goes first; only tokens whose signature was verified are asked about. */
const MAX_REMEMBERED = 10_000;
/** One request, in ms. */
const TIMEOUT_MS = 3_000;

/** RFC 7662, 2.2. Whatever else the issuer tells is in the token, which was verified. */
const answer = z.object({ active: z.boolean() });

/**
 * Asks an issuer by RFC 7662, at most once for a token at a time. `digest` gives what a token is remembered by, so that
 * no token is kept. The client authenticates by HTTP Basic (RFC 6749, 2.3.1).
 */
export function createIntrospection({
  url,
  clientId,
  clientSecret,
  fetch,
  digest,
  clock,
}: {
  readonly url: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly fetch: typeof globalThis.fetch;
  readonly digest: (token: string) => string;
  readonly clock: Clock;
}): Introspect {
  /** Epoch ms at which each was found active. */
  const active = new Map<string, number>();
  const pending = new Map<string, Promise<boolean>>();
  const authorization = `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)}`;

  const ask = async (token: string): Promise<boolean> => {
    try {
      return await withinTime(TIMEOUT_MS, undefined, async (signal) => {
        const body = new URLSearchParams({ token, token_type_hint: 'access_token' });
        const headers = { authorization, accept: 'application/json' };
        const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
        if (response.status !== 200) throw new Error(`the issuer answered ${response.status}`);
        return answer.parse(await response.json()).active;
      });
    } catch {
      // What was thrown may quote the answer, and with it the token.
      throw new SallyportError('ERR_INTROSPECTION_UNAVAILABLE', 'the issuer did not say whether the token is active');
    }
  };

  const askAndRemember = async (token: string, name: string): Promise<boolean> => {
    const askedAt = clock();
    const isActive = await ask(token);
    active.delete(name);
    if (!isActive) return false;
    active.set(name, askedAt);
    const oldest = active.keys().next();
    if (active.size > MAX_REMEMBERED && !oldest.done) active.delete(oldest.value);
    return true;
  };

  return async (token) => {
    const name = digest(token);
    const since = active.get(name);
    const now = clock();
    if (since !== undefined && now >= since && now - since < ACTIVE_MS) return true;
    const asked = pending.get(name) ?? askAndRemember(token, name).finally(() => pending.delete(name));
    pending.set(name, asked);
    return asked;
  };
}

/** RFC 6749, appendix B. */
const formEncoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);
