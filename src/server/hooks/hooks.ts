import type { Channel, DeliveryHead, DeliveryHeaders, DeliveryOutcome } from '../../channels/channel.ts';
import type { TallyRefusal } from '../../core/audit/entry.ts';
import type { Clock } from '../../core/clock.ts';
import { codeOf, type ErrorCode, isFailedProof, reasonOf, SallyportError, statusOf } from '../../core/errors.ts';
import type { ChannelName } from '../../core/event.ts';
import type { Logger } from '../../core/logger.ts';
import { noTracer, type Span, type Tracer } from '../../core/tracer.ts';
import type { BodyLimits } from '../http/body.ts';
import { type AppContext, unknownRoute } from '../http/context.ts';
import { problem, toResponse } from '../http/respond.ts';
import type { Counted, SourceLimiter } from '../limits/sources.ts';
import { type Receipt, type ReceiveDeps, receive } from './receive.ts';

export interface HookDeps extends DeliverDeps {
  /** Whatever is configured of them, a path of one of these exists. */
  readonly channelNames: readonly ChannelName[];
  /** The channel behind `/hooks/{name}/{tenant}/{rest}`, or null. `rest` holds no empty parts. */
  readonly channel: (name: ChannelName, tenant: string, rest: readonly string[]) => Channel | null;
}

/** What every delivery needs on its way, whoever may deliver. */
export interface DeliverDeps extends ReceiveDeps {
  /** The runtime's cheapest way to look at single headers. */
  readonly headersOf: (c: AppContext) => DeliveryHeaders;
  readonly readBody: (c: AppContext, limits: BodyLimits) => Promise<Uint8Array>;
  readonly bodyTimeoutMs: number;
  /** The address a request came from, as far as it can be believed. */
  readonly sourceOf: (c: AppContext) => string;
  readonly failures: SourceLimiter;
  /** Tells the operator of a sender that no tenant is configured for, by the vendor's id. Absent: the metric tells enough. */
  readonly tellUnmapped?: (channel: ChannelName, sender: string) => void;
  /** Counts what is kept out, for the tenant's audit. */
  readonly tally: TallyRefusal;
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer;
  /** The trace that a proxy of ours began around the request, if it is known to be one. */
  readonly traceOf?: (c: AppContext) => string | undefined;
  readonly isDraining: () => boolean;
  readonly newRequestId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A delivery on its way to its answer. */
interface Journey {
  readonly requestId: string;
  readonly channel: Channel;
  readonly head: DeliveryHead;
  readonly span: Span;
}

/** Serves `/hooks/…`: method, route, journey, answer; one log line and one metric per item. */
export function createHookHandler(deps: HookDeps): (c: AppContext) => Promise<Response> {
  return async (c) => {
    const requestId = deps.newRequestId();
    const [name, ...parts] = c.req.path.split('/').slice(2);
    if (name === undefined || !deps.channelNames.includes(name)) return unknownRoute(requestId);
    if (c.req.method !== 'POST') return toResponse({ status: 405, headers: { allow: 'POST' } }, requestId);
    // Not the router's parameters: those are decoded further, so a tenant could hold the slash of another tenant's route.
    const [tenant = 'default', ...rest] = parts.filter(Boolean);
    const channel = deps.channel(name, tenant, rest);
    if (channel === null) return unknownRoute(requestId);
    const head: DeliveryHead = { tenant, url: c.req.url, headers: deps.headersOf(c), receivedAt: deps.clock() };
    return deliver(c, { requestId, channel, head }, deps);
  };
}

/** Takes a delivery through both doors and answers it. Never throws. */
export function deliver(c: AppContext, given: Omit<Journey, 'span'>, deps: DeliverDeps): Promise<Response> {
  const { tracer = noTracer, traceOf } = deps;
  const facts = { tenant: given.head.tenant, channel: given.channel.name };
  // A sender's own `traceparent` proves nothing: it would choose what is traced.
  const options = { link: traceOf?.(c) };
  return tracer.begin('delivery', facts, options, (span) => deliverTraced(c, { ...given, span }, deps));
}

async function deliverTraced(c: AppContext, journey: Journey, deps: DeliverDeps): Promise<Response> {
  const { channel, head } = journey;
  try {
    if (deps.isDraining()) throw new SallyportError('ERR_SHUTTING_DOWN', 'the process is stopping');
    const readBody = (maxBytes: number) => deps.readBody(c, { maxBytes, timeoutMs: deps.bodyTimeoutMs });
    const receipt = await receive(head, readBody, channel, deps, journey.span);
    if (!receipt.isUnproven) return acknowledged(c, journey, receipt, null, deps);
    const { outcome = 'ignored', reason = 'empty' } = receipt.items[0] ?? {};
    const counted = countUnproven(c, journey, reason === '' ? outcome : reason, deps);
    if (!counted.isOver) return acknowledged(c, journey, receipt, counted, deps);
    if (receipt.items[0]?.isForged)
      deps.tally(head.tenant, { action: 'delivery.forged', subject: channel.name, reason });
    return refused(c, journey, rateLimited(), counted, deps);
  } catch (error) {
    const code = codeOf(error);
    const reason = reasonOf(code);
    if (isFailedProof(code)) deps.tally(head.tenant, { action: 'delivery.forged', subject: channel.name, reason });
    if (!isUnproven(code, channel)) return refused(c, journey, error, null, deps);
    const counted = countUnproven(c, journey, reason, deps);
    return refused(c, journey, counted.isOver && isFailedProof(code) ? rateLimited() : error, counted, deps);
  }
}

const rateLimited = (): SallyportError =>
  new SallyportError('ERR_RATE_LIMITED', 'too many handshakes or forgeries from this source');

/** What a body can come to before anything about it is proven. */
const BODY_CODES: ReadonlySet<ErrorCode> = new Set(['ERR_BODY_TOO_LARGE', 'ERR_BODY_TIMEOUT', 'ERR_BODY_ABORTED']);

/** Whether a delivery that failed with the code had proved nothing yet. */
function isUnproven(code: ErrorCode, { authenticate, isProofInBody }: Channel): boolean {
  if (isFailedProof(code)) return true;
  // A proof in the headers was good before the body was read.
  if (authenticate !== undefined) return false;
  return BODY_CODES.has(code) || (code === 'ERR_BODY_UNPARSABLE' && isProofInBody === true);
}

const countUnproven = (
  c: AppContext,
  { head: { tenant }, channel }: Journey,
  reason: string,
  { failures, sourceOf }: DeliverDeps,
): Counted => failures.count(sourceOf(c), { tenant, channel: channel.name, reason });

function acknowledged(
  c: AppContext,
  journey: Journey,
  receipt: Receipt,
  counted: Counted | null,
  deps: DeliverDeps,
): Response {
  const { channel, requestId } = journey;
  const { items } = receipt;
  const shown = items.find(({ outcome }) => outcome === 'accepted') ?? items[0];
  const answer = receipt.answer ?? channel.acknowledge(items.map(({ outcome }) => outcome));
  for (const { outcome, reason, isForged } of items) {
    deps.meter.delivery(channel.name, outcome, reason);
    if (outcome !== 'quarantined') continue;
    const action = isForged ? 'delivery.forged' : 'delivery.quarantined';
    deps.tally(journey.head.tenant, { action, subject: channel.name, reason });
  }
  for (const sender of receipt.unmapped) deps.tellUnmapped?.(channel.name, sender);
  const { tenant } = receipt;
  const outcome = shown?.outcome ?? 'ignored';
  finished(c, journey, { outcome, items, code: undefined, status: answer.status, counted, tenant }, deps);
  if (!channel.outcomeHeaders || shown === undefined) return toResponse(answer, requestId);
  const headers: Record<string, string> = { 'x-sallyport-outcome': shown.outcome };
  if (items.length === 1 && shown.eventId !== undefined) headers['x-sallyport-event'] = shown.eventId;
  if (items.length === 1 && shown.outcome === 'ignored' && shown.reason !== '')
    headers['x-sallyport-reason'] = shown.reason;
  return toResponse(answer, requestId, headers);
}

function refused(
  c: AppContext,
  journey: Journey,
  failure: unknown,
  counted: Counted | null,
  deps: DeliverDeps,
): Response {
  const { channel, requestId } = journey;
  const code = codeOf(failure);
  if (code === 'ERR_INTERNAL') deps.logger.error({ requestId, error: failure }, 'delivery.failed');
  const answer = channel.refuse?.(code);
  const status = answer?.status ?? statusOf(code);
  const outcome: DeliveryOutcome = status === 503 ? 'unavailable' : 'rejected';
  deps.meter.delivery(channel.name, outcome, reasonOf(code));
  finished(c, journey, { outcome, items: [], code, status, counted }, deps);
  if (answer === undefined) return problem(failure, requestId);
  const { retryAfterMs } = failure instanceof SallyportError ? failure : {};
  return toResponse(answer, requestId, retryAfterMs === undefined ? {} : { 'retry-after': secondsOf(retryAfterMs) });
}

const secondsOf = (ms: number): string => String(Math.ceil(ms / 1_000));

interface Ending {
  readonly outcome: DeliveryOutcome;
  readonly status: number;
  readonly code: ErrorCode | undefined;
  readonly items: Receipt['items'];
  /** Null for what proved itself, or failed before it could. */
  readonly counted: Counted | null;
  /** Absent: the route's. */
  readonly tenant?: string | undefined;
}

/** The line is written out field by field, because there is one for every delivery: spreading parts together costs more. */
function finished(c: AppContext, { requestId, channel, head, span }: Journey, ending: Ending, deps: DeliverDeps): void {
  const { outcome, status, code, items, counted } = ending;
  const ms = deps.clock() - head.receivedAt;
  deps.meter.acked(channel.name, ms / 1000);
  // They come in floods: the first of a source is logged, and the others once a minute, all together.
  if (counted !== null && !counted.isFirst) {
    span.drop();
    return;
  }
  const isBatch = items.length > 1;
  const only = isBatch ? undefined : items[0];
  const quarantined = items.filter((one) => one.outcome === 'quarantined').length;
  const line = {
    requestId,
    tenant: ending.tenant ?? head.tenant,
    channel: channel.name,
    outcome,
    status,
    code,
    items: isBatch ? items.length : undefined,
    quarantined: isBatch ? quarantined : undefined,
    outcomes: isBatch ? tallied(items) : undefined,
    reason: only?.reason,
    eventId: only?.eventId,
    ms,
  };
  const { tenant, eventId } = line;
  span.note({ tenant, outcome, status, code, items: items.length, eventId: eventId ?? items[0]?.eventId });
  // The address is what an operator blocks.
  const isForgery = outcome === 'rejected' || quarantined > 0;
  if (isForgery) deps.logger.warn({ ...line, source: deps.sourceOf(c) }, `delivery.${outcome}`);
  else deps.logger.info(line, `delivery.${outcome}`);
}

/** How many items came to what, as `outcome reason`: at the edge, which has no metrics of its own, the log alone tells. */
function tallied(items: Receipt['items']): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome, reason } of items) {
    const name = reason === '' ? outcome : `${outcome} ${reason}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** Senders that are remembered at most. */
const MAX_UNMAPPED = 1_000;
/** How often one of them is told of, in ms. */
const UNMAPPED_EVERY_MS = 3_600_000;

/** Makes one line an hour for each sender that no tenant is configured for: it may send as often as it likes. */
export function createTellUnmapped({
  clock,
  logger,
}: {
  readonly clock: Clock;
  readonly logger: Logger;
}): (channel: ChannelName, sender: string) => void {
  const told = new Map<string, number>();
  return (channel, sender) => {
    const key = `${channel} ${sender}`;
    const now = clock();
    if (now - (told.get(key) ?? Number.NEGATIVE_INFINITY) < UNMAPPED_EVERY_MS) return;
    if (told.size >= MAX_UNMAPPED) told.clear();
    told.set(key, now);
    logger.warn({ channel, sender }, 'delivery.unmapped');
  };
}
