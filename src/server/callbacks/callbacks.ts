import type { DeliveryHeaders } from '../../channels/channel.ts';
import { type CallbackRun, callbackStep, readCallbackRun } from '../../core/callback-run.ts';
import type { Clock } from '../../core/clock.ts';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { sha256FromBase64, toUtf8 } from '../../core/crypto/encoding.ts';
import { codeOf, type ErrorCode, isFailedProof, SallyportError } from '../../core/errors.ts';
import { callbackSchema, type HttpAnswer, storedAnswer } from '../../core/http-answer.ts';
import { decodeText, parseJsonText } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import { validated } from '../../core/validate.ts';
import type { Callbacks, CalledBack } from '../../queue/callbacks.ts';
import type { Scrub } from '../../scrub/scrub.ts';
import type { BodyLimits } from '../http/body.ts';
import { type App, type AppContext, unknownRoute } from '../http/context.ts';
import { problem, toResponse } from '../http/respond.ts';
import type { SourceLimiter } from '../limits/sources.ts';

export interface CallbackDeps {
  readonly callbacks: Callbacks;
  /** The secrets of an agent; none for one that does not exist. */
  readonly keysOf: (agent: string) => readonly Uint8Array[];
  readonly crypto: Crypto;
  readonly scrub: Scrub;
  readonly headersOf: (c: AppContext) => DeliveryHeaders;
  readonly readBody: (c: AppContext, limits: BodyLimits) => Promise<Uint8Array>;
  readonly bodyTimeoutMs: number;
  readonly sourceOf: (c: AppContext) => string;
  readonly failures: SourceLimiter;
  readonly isDraining: () => boolean;
  readonly newRequestId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of a body: a reply of the longest kind, each character escaped. */
const MAX_BYTES = 1024 * 1024;

/** `POST /callbacks/{run}`: what an `http` agent says after it answered 202. docs/http-agent.md has its table of answers. */
export const mountCallbacks =
  (deps: CallbackDeps) =>
  (app: App): void => {
    app.all('/callbacks/:run', async (c) => {
      const requestId = deps.newRequestId();
      const run = readCallbackRun(c.req.path.slice('/callbacks/'.length));
      if (run === null) return unknownRoute(requestId);
      if (c.req.method !== 'POST') return toResponse({ status: 405, headers: { allow: 'POST' } }, requestId);
      const line = { requestId, agent: run.agent, tenant: run.tenant, eventId: run.eventId };
      try {
        const { kind } = await callBack(c, run, deps);
        deps.logger.info({ ...line, outcome: kind }, 'callback.accepted');
        // The same for the first and for every repetition of it.
        return c.json({ outcome: 'accepted' }, 200, { 'x-request-id': requestId });
      } catch (error) {
        return refused(c, error, line, deps);
      }
    });
  };

/** @throws SallyportError */
async function callBack(c: AppContext, run: CallbackRun, deps: CallbackDeps): Promise<CalledBack> {
  const { callbacks, keysOf, crypto, clock } = deps;
  if (deps.isDraining()) throw new SallyportError('ERR_SHUTTING_DOWN', 'the process is stopping');
  const body = await deps.readBody(c, { maxBytes: MAX_BYTES, timeoutMs: deps.bodyTimeoutMs });
  proveCallback(deps.headersOf(c), body, keysOf(run.agent), crypto, clock());
  const answer = readAnswer(body, c.req.path.slice('/callbacks/'.length));
  const { value } = deps.scrub(answer);
  const callback = { generation: run.generation, step: callbackStep(run), value: storedAnswer(value) };
  const called = await callbacks.accept(run.tenant, run.eventId, callback);
  if (called.kind === 'not_found') throw new SallyportError('ERR_NOT_FOUND', 'no such run');
  if (called.kind === 'conflict' || called.kind === 'over') {
    throw new SallyportError('ERR_WRONG_STATE', 'the run does not wait for this');
  }
  return called;
}

/** The signature covers the body and not the path, so the body has to say which run it is for. */
function readAnswer(body: Uint8Array, name: string): HttpAnswer {
  const { run, ...answer } = validated(parseJsonText(decodeText(body)), callbackSchema);
  if (run !== name) throw new SallyportError('ERR_SIGNATURE_MISMATCH', 'the callback is signed for another run');
  return answer;
}

/** What a body can come to before its signature is looked at. */
const BODY_CODES: ReadonlySet<ErrorCode> = new Set(['ERR_BODY_TOO_LARGE', 'ERR_BODY_TIMEOUT', 'ERR_BODY_ABORTED']);

function refused(
  c: AppContext,
  error: unknown,
  line: { readonly requestId: string; readonly tenant: string; readonly agent: string },
  deps: CallbackDeps,
): Response {
  const code = codeOf(error);
  const { requestId, tenant } = line;
  const isForged = isFailedProof(code);
  if (isForged || BODY_CODES.has(code)) {
    const source = deps.sourceOf(c);
    const reason = code.slice('ERR_'.length).toLowerCase();
    const { isOver, isFirst } = deps.failures.count(source, { tenant, channel: 'callbacks', reason });
    if (isFirst) deps.logger.warn({ ...line, code, source }, 'callback.rejected');
    return isForged ? toResponse({ status: isOver ? 429 : 401 }, requestId) : problem(error, requestId);
  }
  if (code === 'ERR_INTERNAL') deps.logger.error({ ...line, error }, 'callback.failed');
  else deps.logger.info({ ...line, code }, 'callback.refused');
  return problem(error, requestId);
}

/** Standard Webhooks, "Verifying webhook authenticity": five minutes, both ways. In seconds. */
const TOLERANCE = 300;

/** Without a dot: dots separate the parts of what is signed, and an id with one could be read as id and time. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,255}$/;
const TIMESTAMP = /^[1-9]\d{0,11}$/;
/** 32 bytes in base64. */
const SIGNATURE = /^v1,([A-Za-z0-9+/]{43}=)$/;
/** A sender that rotates signs with the old and the new secret. */
const MAX_SIGNATURES = 8;

/**
 * Checks the Standard Webhooks signature of a body. Our own and not the package's, which signs what the bytes decode to and
 * the number that the timestamp reads as: other bytes and other spellings would pass with the same signature.
 * @throws SallyportError ERR_SIGNATURE_MISSING, _MALFORMED or _MISMATCH, ERR_TIMESTAMP_MALFORMED or _OUTSIDE_TOLERANCE
 */
function proveCallback(
  headers: DeliveryHeaders,
  body: Uint8Array,
  keys: readonly Uint8Array[],
  crypto: Crypto,
  now: number,
): void {
  const [id, timestamp, header] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((n) => headers.get(n));
  if (!id || !timestamp || !header) throw new SallyportError('ERR_SIGNATURE_MISSING', 'the callback is not signed');
  if (!TIMESTAMP.test(timestamp)) throw new SallyportError('ERR_TIMESTAMP_MALFORMED', 'the timestamp is none');
  const given = signaturesOf(header);
  if (!ID.test(id) || given.length === 0) throw new SallyportError('ERR_SIGNATURE_MALFORMED', 'the signature is none');
  if (Math.abs(Math.floor(now / 1000) - Number(timestamp)) > TOLERANCE) {
    throw new SallyportError('ERR_TIMESTAMP_OUTSIDE_TOLERANCE', 'the callback is not of now');
  }
  const signed = toUtf8(`${id}.${timestamp}.`);
  let isProven = false;
  for (const key of keys) {
    const expected = crypto.hmacSha256(key, signed, body);
    // All of them are looked at, so that the time does not tell which matched.
    for (const signature of given) if (crypto.equal(expected, signature)) isProven = true;
  }
  if (!isProven) throw new SallyportError('ERR_SIGNATURE_MISMATCH', 'the signature does not match');
}

function signaturesOf(header: string): Uint8Array[] {
  const signatures = header.split(' ', MAX_SIGNATURES).map((one) => sha256FromBase64(SIGNATURE.exec(one)?.[1] ?? ''));
  return signatures.filter((bytes) => bytes !== null);
}
