import type { DeliveryHeaders } from '../../channels/channel.ts';
import type { TallyRefusal } from '../../core/audit/entry.ts';
import type { Clock } from '../../core/clock.ts';
import type { Crypto } from '../../core/crypto/crypto.ts';
import { codeOf, type ErrorCode, isFailedProof, reasonOf, SallyportError, statusOf } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Meter } from '../../core/meter.ts';
import {
  MAX_RELAY_BODY_BYTES,
  RELAY_PATH,
  type RelayAnswer,
  type RelayFailure,
  type RelayHead,
  type RelayKeys,
  type RelayOutcome,
  readRelayHead,
  relayHeader,
  signRelayAnswer,
  verifyRelayRequest,
} from '../../core/relay.ts';
import { noTracer, type Span, type Tracer } from '../../core/tracer.ts';
import type { RelayAttempts } from '../../queue/records/relay-attempts.ts';
import type { BodyLimits } from '../http/body.ts';
import type { App, AppContext } from '../http/context.ts';
import { toResponse } from '../http/respond.ts';
import type { SourceLimiter } from '../limits/sources.ts';
import { type AcceptDeps, acceptBatch, RELAY } from './accept.ts';
import { type Envelope, readEnvelope } from './batch.ts';

export interface RelayDeps extends AcceptDeps {
  readonly keys: RelayKeys;
  readonly crypto: Crypto;
  readonly attempts: RelayAttempts;
  /** Of the configuration. */
  readonly tenants: readonly string[];
  readonly headersOf: (c: AppContext) => DeliveryHeaders;
  readonly readBody: (c: AppContext, limits: BodyLimits) => Promise<Uint8Array>;
  readonly bodyTimeoutMs: number;
  readonly sourceOf: (c: AppContext) => string;
  readonly failures: SourceLimiter;
  readonly tally: TallyRefusal;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
  readonly isDraining: () => boolean;
  readonly newRequestId: () => string;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** `POST /relay`: takes over what the edge has accepted. docs/edge.md has the protocol and its table of answers. */
export const mountRelay =
  (deps: RelayDeps) =>
  (app: App): void => {
    app.all(RELAY_PATH, (c) => relay(c, deps));
  };

/** A request on its way to its answer. */
interface Journey {
  readonly requestId: string;
  /** Epoch ms. */
  readonly receivedAt: number;
}

async function relay(c: AppContext, deps: RelayDeps): Promise<Response> {
  const journey = { requestId: deps.newRequestId(), receivedAt: deps.clock() };
  if (c.req.method !== 'POST') return toResponse({ status: 405, headers: { allow: 'POST' } }, journey.requestId);
  let head: RelayHead | undefined;
  let body: Uint8Array;
  let keyId: string;
  try {
    head = readRelayHead(deps.headersOf(c), journey.receivedAt);
    body = await deps.readBody(c, { maxBytes: MAX_RELAY_BODY_BYTES, timeoutMs: deps.bodyTimeoutMs });
    keyId = verifyRelayRequest(head, body, deps.keys, deps.crypto);
  } catch (error) {
    return unproven(c, error, head, journey, deps);
  }
  const { tracer = noTracer } = deps;
  const { nonce } = head;
  return tracer.begin('relay', {}, {}, (span) => proven(body, { ...journey, nonce, keyId, span }, deps));
}

/** Nothing is signed here: a signature would prove an answer to somebody who has proved nothing. */
function unproven(
  c: AppContext,
  error: unknown,
  head: RelayHead | undefined,
  { requestId }: Journey,
  deps: RelayDeps,
): Response {
  const code = codeOf(error);
  const [reason, source] = [reasonOf(code), deps.sourceOf(c)];
  // Which tenant it would have been for stands in a body that proves nothing; with one tenant it can only be that one.
  const [tenant] = deps.tenants.length === 1 ? deps.tenants : [];
  const { isOver, isFirst } = deps.failures.count(source, { tenant: tenant ?? '', channel: RELAY, reason });
  const isForged = isFailedProof(code);
  if (isForged && tenant !== undefined) deps.tally(tenant, { action: 'delivery.forged', subject: RELAY, reason });
  deps.meter.relayed(reason);
  // The id of the key that it names tells whether somebody rotated keys on one side only.
  const line = { requestId, code, key: head?.keyId, source };
  if (code === 'ERR_INTERNAL') deps.logger.error({ ...line, error }, 'relay.failed');
  else if (isFirst) deps.logger.warn(line, 'relay.rejected');
  const shown = isForged && isOver ? 'ERR_RATE_LIMITED' : code;
  return toResponse(failure(shown), requestId);
}

interface Proven extends Journey {
  readonly nonce: string;
  /** Of the key that signed it. */
  readonly keyId: string;
  readonly span: Span;
}

/** From here on every answer is signed, so that the edge can tell it from anybody else's. */
async function proven(body: Uint8Array, journey: Proven, deps: RelayDeps): Promise<Response> {
  const { requestId, receivedAt, keyId, span } = journey;
  let envelope: Envelope | undefined;
  const line = () => ({
    ...{ requestId, key: keyId, tenant: envelope?.tenant, shard: envelope?.shard },
    ...{ epoch: envelope?.epoch, attempt: envelope?.attempt, events: envelope?.events.length },
    ms: deps.clock() - receivedAt,
  });
  try {
    if (deps.isDraining()) throw new SallyportError('ERR_SHUTTING_DOWN', 'the process is stopping');
    envelope = readEnvelope(body, receivedAt);
    const { tenant } = envelope;
    if (!deps.tenants.includes(tenant)) throw new SallyportError('ERR_NOT_FOUND', 'the tenant is not configured');
    span.note({ tenant, items: envelope.events.length });
    if (!(await deps.attempts.claim(envelope))) throw new SallyportError('ERR_RELAY_REPLAYED', '');
    const { results, retryAfterMs } = await acceptBatch(envelope, deps.clock(), deps, span);
    const counts: Partial<Record<RelayOutcome, number>> = {};
    for (const { outcome, reason } of results) {
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      if (reason !== undefined) deps.tally(tenant, { action: 'delivery.quarantined', subject: RELAY, reason });
    }
    const isFull = counts.full !== undefined;
    const outcome = isFull ? 'full' : counts.rejected === undefined ? 'accepted' : 'rejected';
    deps.meter.relayed(outcome);
    span.note({ outcome, status: 200 });
    if (counts.rejected === undefined) deps.logger.info({ ...line(), ...counts }, 'relay.accepted');
    else deps.logger.warn({ ...line(), ...counts }, 'relay.accepted');
    const answer: RelayAnswer = { v: 1, results };
    const retryAfter = { 'retry-after': String(Math.max(FULL_SECONDS, Math.ceil(retryAfterMs / 1000))) };
    const headers = { 'content-type': 'application/json', ...(isFull && retryAfter) };
    return signed({ status: 200, headers, body: JSON.stringify(answer) }, journey, deps);
  } catch (error) {
    const code = codeOf(error);
    deps.meter.relayed(reasonOf(code));
    span.note({ code, status: statusOf(code) });
    if (code === 'ERR_RELAY_REPLAYED' && envelope !== undefined) {
      deps.tally(envelope.tenant, { action: 'delivery.quarantined', subject: RELAY, reason: reasonOf(code) });
    }
    if (code === 'ERR_INTERNAL') deps.logger.error({ ...line(), code, error }, 'relay.failed');
    else {
      // Of a batch that has not the right form: the field. It names no value.
      const { detail } = error as SallyportError;
      deps.logger.warn({ ...line(), code, fields: detail.errors?.map(({ path }) => path) }, 'relay.refused');
    }
    return signed(failure(code), journey, deps);
  }
}

/** Seconds after which the edge may try again what found no room. */
const FULL_SECONDS = 5;

interface Written {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function failure(code: ErrorCode): Written {
  const body: RelayFailure = { v: 1, code };
  return { status: statusOf(code), headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function signed(answer: Written, { nonce, requestId }: Proven, { keys, crypto }: RelayDeps): Response {
  const signature = signRelayAnswer({ nonce, status: answer.status, body: answer.body }, keys, crypto);
  return toResponse(answer, requestId, { [relayHeader.signature]: signature });
}
