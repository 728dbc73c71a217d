import { codeOf, SallyportError, statusOf } from '../../core/errors.ts';
import type { Identifier } from '../../core/identity.ts';
import type { IdempotencyKeys, StoredAnswer } from '../../queue/records/idempotency-keys.ts';
import type { AppContext } from '../http/context.ts';
import { problem } from '../http/respond.ts';
import type { Caller } from './auth.ts';

/** Longest key, in characters. */
const MAX_CHARS = 255;
/** A string of RFC 8941, 3.3.3, with its quotes. */
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
const BARE = /^[!#-~]+$/;

/**
 * The key of `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a quoted string; one without quotes, as many
 * clients send it, means the same. Undefined without the header.
 * @throws SallyportError ERR_INVALID_REQUEST
 */
export function idempotencyKeyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const given = header.trim();
  const key = QUOTED.exec(given)?.[1]?.replace(/\\(.)/g, '$1') ?? BARE.exec(given)?.[0] ?? '';
  if (key !== '' && key.length <= MAX_CHARS) return key;
  throw new SallyportError(
    'ERR_INVALID_REQUEST',
    `Idempotency-Key: must be 1 to ${MAX_CHARS} characters of ASCII in quotes`,
  );
}

/**
 * Runs `work` once for a key of a caller and answers the same request the same again for 24 hours. What `work` refuses is
 * an answer as well; a failure of ours (5xx) is none, and the key may be tried again. `asked` is all that makes two
 * requests the same.
 * @throws SallyportError ERR_IDEMPOTENCY_KEY_REUSED, ERR_REQUEST_RUNNING, ERR_ANSWER_LOST, ERR_RATE_LIMITED,
 * ERR_STORE_UNAVAILABLE, or what `work` throws
 */
export type RunOnce = (
  c: AppContext,
  caller: Caller,
  asked: readonly string[],
  work: () => Promise<Response>,
) => Promise<Response>;

export const createRunOnce =
  ({
    keys,
    digest,
    newRequestId,
  }: {
    readonly keys: IdempotencyKeys;
    readonly digest: Identifier['digest'];
    readonly newRequestId: () => string;
  }): RunOnce =>
  async (c, { tenant, subject }, asked, work) => {
    const key = idempotencyKeyOf(c.req.header('idempotency-key'));
    if (key === undefined) return work();
    const name = digest('idempotency-key', [tenant, subject, key]);
    const owner = crypto.randomUUID();
    const begun = await keys.begin(tenant, name, digest('idempotency-request', asked), owner);
    if (begun.kind === 'answered') return written(begun.answer);
    if (begun.kind !== 'begun') throw refusalOf[begun.kind]();
    let answer: Response;
    try {
      answer = await work();
    } catch (error) {
      if (statusOf(codeOf(error)) >= 500) {
        await keys.release(tenant, name, owner);
        throw error;
      }
      answer = problem(error, newRequestId());
    }
    const body = await answer.text();
    const headers = Object.fromEntries(answer.headers);
    const stored = { status: answer.status, headers, body };
    await keys.finish(tenant, name, owner, stored);
    return written(stored);
  };

const written = ({ status, headers, body }: StoredAnswer): Response =>
  new Response(body === '' ? null : body, { status, headers });

/** After which a request that is under way is worth asking about again, in ms. */
const RUNNING_RETRY_MS = 1_000;
/** In ms: keys are remembered for a day, so room may come at any time. */
const FULL_RETRY_MS = 3_600_000;

const refusalOf = {
  other: () => new SallyportError('ERR_IDEMPOTENCY_KEY_REUSED', 'the key stands for another request'),
  running: () =>
    new SallyportError('ERR_REQUEST_RUNNING', 'the request with this key has not been answered yet', {
      retryAfterMs: RUNNING_RETRY_MS,
    }),
  lost: () =>
    new SallyportError(
      'ERR_ANSWER_LOST',
      'a request with this key began and was never answered; look what became of it, then use another key',
    ),
  full: () =>
    new SallyportError('ERR_RATE_LIMITED', 'too many idempotency keys are remembered', { retryAfterMs: FULL_RETRY_MS }),
};
