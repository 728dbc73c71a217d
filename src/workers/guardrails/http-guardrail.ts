import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { type ErrorDetail, SallyportError } from '../../core/errors.ts';
import type { GuardedFetch, GuardedResponse } from '../../net/guarded-fetch.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { Guardrail, GuardrailStage, GuardrailSubject, Verdict } from './guardrail.ts';

export interface HttpGuardrailOptions {
  readonly name: string;
  readonly url: string;
  readonly stages: readonly GuardrailStage[];
  /** A guarded client that may open this URL; its deadline is the guardrail's. */
  readonly fetch: GuardedFetch;
  /** Sent as bearer token. */
  readonly token?: string | undefined;
  /** Whether the service sees the agent's instructions. */
  readonly sendsInstructions: boolean;
  /** How long a verdict about the same question holds, in ms; 0: it is asked every time. */
  readonly cacheMs: number;
  readonly clock: Clock;
  /** A number that is another one once what the service decided for a tenant holds no more. */
  readonly policyVersion: (tenant: string) => Promise<number>;
  /** A guardrail before this one may have added what the service must not see. */
  readonly scrub: Scrub;
}

const answerSchema = z.discriminatedUnion('verdict', [
  z.strictObject({ verdict: z.literal('pass') }),
  z.strictObject({ verdict: z.literal('change'), text: z.string() }),
  z.strictObject({ verdict: z.literal('block'), reason: z.string().optional() }),
]);

/** By which a service tells that its policy is another one; then no earlier verdict holds. */
const VERSION_HEADERS = ['x-policy-version', 'etag'] as const;

/**
 * A guardrail that is somebody's service: `POST { stage, tenant, agent, text, tool?, instructions? }`, answered by
 * `{ verdict: 'pass' | 'change' | 'block', text?, reason? }` and nothing else. Everything but such an answer with the
 * status 200 throws, which blocks.
 */
export function createHttpGuardrail(options: HttpGuardrailOptions): Guardrail {
  const { name, stages, cacheMs, clock } = options;
  // Tenants are configured, so there are only so many. Each has its own: a service may have a policy for each.
  const caches = new Map<string, VerdictCache>();
  const cacheOf = (tenant: string): VerdictCache => {
    const cache = caches.get(tenant) ?? createVerdictCache(cacheMs, clock);
    caches.set(tenant, cache);
    return cache;
  };
  return {
    name,
    stages,
    async check(subject) {
      const body = JSON.stringify(question(subject, options));
      const policy = cacheMs > 0 ? await options.policyVersion(subject.tenant) : 0;
      const cache = cacheOf(subject.tenant);
      const key = createHash('sha256').update(`${policy}\n${body}`).digest('base64url');
      const known = cache.get(key);
      if (known !== undefined) return known;
      const response = await ask(body, subject.signal, options);
      const version = VERSION_HEADERS.map((header) => response.headers.get(header)).find((value) => value !== null);
      const verdict = read(response);
      cache.put(key, verdict, version ?? undefined);
      return verdict;
    },
  };
}

const question = (
  { stage, tenant, agent, text, tool, instructions }: GuardrailSubject,
  { sendsInstructions, scrub }: HttpGuardrailOptions,
): object => ({
  stage,
  tenant,
  agent,
  text: scrub(text).value,
  ...defined({ tool }),
  ...(sendsInstructions && instructions !== undefined && { instructions }),
});

const ask = (
  body: string,
  signal: AbortSignal,
  { fetch, url, token }: HttpGuardrailOptions,
): Promise<GuardedResponse> =>
  fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body,
    signal,
  });

/** @throws SallyportError ERR_GUARDRAIL_UNAVAILABLE for everything that is no verdict */
function read(response: GuardedResponse): Verdict {
  const { status } = response;
  if (status !== 200) throw noVerdict({ reason: `http_${status}`, status });
  const answer = answerSchema.safeParse(parsed(response)).data;
  if (answer === undefined) throw noVerdict({ reason: 'invalid-verdict' });
  if (answer.verdict === 'block') return { kind: 'block', reason: answer.reason ?? 'blocked' };
  return answer.verdict === 'change' ? { kind: 'change', text: answer.text } : { kind: 'pass' };
}

function parsed(response: GuardedResponse): unknown {
  try {
    return response.json();
  } catch {
    return undefined;
  }
}

const noVerdict = (detail: ErrorDetail): SallyportError =>
  new SallyportError('ERR_GUARDRAIL_UNAVAILABLE', 'the guardrail gave no verdict', detail);

/** What is known of one tenant. */
interface VerdictCache {
  get(key: string): Verdict | undefined;
  /** `version` is the policy's own; another one than before ends what was known. */
  put(key: string, verdict: Verdict, version: string | undefined): void;
}

/** Most verdicts of a tenant that are kept; the oldest goes first. */
const MAX_VERDICTS = 1_000;

function createVerdictCache(ttlMs: number, clock: Clock): VerdictCache {
  const kept = new Map<string, { readonly verdict: Verdict; readonly until: number }>();
  let current: string | undefined;
  return {
    get(key) {
      const found = kept.get(key);
      if (found === undefined || found.until > clock()) return found?.verdict;
      kept.delete(key);
      return undefined;
    },
    put(key, verdict, version) {
      if (version !== current) kept.clear();
      current = version;
      if (ttlMs <= 0) return;
      kept.set(key, { verdict, until: clock() + ttlMs });
      const [oldest] = kept.keys();
      if (kept.size > MAX_VERDICTS && oldest !== undefined) kept.delete(oldest);
    },
  };
}

/** Asks at most once in `ttlMs` for each name. A failure is not remembered. */
export function remembering<T>(
  ask: (name: string) => Promise<T>,
  ttlMs: number,
  clock: Clock,
): (name: string) => Promise<T> {
  const known = new Map<string, { readonly value: T; readonly until: number }>();
  return async (name) => {
    const found = known.get(name);
    if (found !== undefined && found.until > clock()) return found.value;
    // From before the question: what is answered late may have been overtaken as early as that.
    const until = clock() + ttlMs;
    const value = await ask(name);
    known.set(name, { value, until });
    return value;
  };
}
