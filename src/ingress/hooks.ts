import type { Channel, DeliveryHead, DeliveryHeaders, DeliveryOutcome } from '../channels/channel.ts';
import type { Clock } from '../core/clock.ts';
import { codeOf, type ErrorCode, SallyportError } from '../core/errors.ts';
import { type ChannelName, channelNames } from '../core/event.ts';
import type { Logger } from '../core/logger.ts';
import type { BodyLimits } from './body.ts';
import { type AppContext, unknownRoute } from './context.ts';
import type { SourceLimiter } from './limits.ts';
import { type Receipt, type ReceiveDeps, receive } from './receive.ts';
import { isFailedProof, toResponse } from './respond.ts';

export interface HookDeps extends ReceiveDeps {
  /** The channel behind `/hooks/{name}/{tenant}/{rest}`, or null. `rest` holds no empty parts. */
  readonly channel: (name: ChannelName, tenant: string, rest: readonly string[]) => Channel | null;
  /** The runtime's cheapest way to look at single headers. */
  readonly headersOf: (c: AppContext) => DeliveryHeaders;
  readonly readBody: (c: AppContext, limits: BodyLimits) => Promise<Uint8Array>;
  readonly bodyTimeoutMs: number;
  /** The address a request came from, as far as it can be believed. */
  readonly sourceOf: (c: AppContext) => string;
  readonly failures: SourceLimiter;
  readonly isDraining: () => boolean;
  readonly newRequestId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const isChannelName = (name: string | undefined): name is ChannelName => channelNames.some((known) => known === name);

/** Serves `/hooks/…`: method, route, journey, answer; one log line and one metric per item. */
export function createHookHandler(deps: HookDeps): (c: AppContext) => Promise<Response> {
  return async (c) => {
    c.set('requestId', deps.newRequestId());
    const [name, ...parts] = c.req.path.split('/').slice(2);
    if (!isChannelName(name)) return unknownRoute(c);
    if (c.req.method !== 'POST') {
      return toResponse({ status: 405, headers: { allow: 'POST' } }, c.get('requestId'));
    }
    // Not the router's parameters: those are decoded further, so a tenant could hold the slash of another tenant's route.
    const [tenant = 'default', ...rest] = parts.filter(Boolean);
    const channel = deps.channel(name, tenant, rest);
    if (channel === null) return unknownRoute(c);
    const head: DeliveryHead = { tenant, url: c.req.url, headers: deps.headersOf(c), receivedAt: deps.clock() };
    try {
      if (deps.isDraining()) throw new SallyportError('ERR_SHUTTING_DOWN', 'the process is stopping');
      const readBody = (maxBytes: number) => deps.readBody(c, { maxBytes, timeoutMs: deps.bodyTimeoutMs });
      const receipt = await receive(head, readBody, channel, deps);
      if (receipt.isUnproven && (await deps.failures.isOver(deps.sourceOf(c)))) {
        throw new SallyportError('ERR_RATE_LIMITED', 'too many handshakes or forgeries from this source');
      }
      return acknowledged(c, channel, head, receipt, deps);
    } catch (error) {
      return refused(c, channel, head, error, deps);
    }
  };
}

function acknowledged(c: AppContext, channel: Channel, head: DeliveryHead, receipt: Receipt, deps: HookDeps): Response {
  const { items } = receipt;
  const shown = items.find(({ outcome }) => outcome === 'accepted') ?? items[0];
  const answer = receipt.answer ?? channel.acknowledge(items.map(({ outcome }) => outcome));
  for (const { outcome, reason } of items) deps.meter.delivery(channel.name, outcome, reason);
  const headers: Record<string, string> = {};
  if (channel.outcomeHeaders && shown !== undefined) {
    headers['x-sallyport-outcome'] = shown.outcome;
    if (items.length === 1 && shown.eventId !== undefined) {
      headers['x-sallyport-event'] = shown.eventId;
    }
  }
  finished(c, channel, head, { outcome: shown?.outcome ?? 'ignored', items, status: answer.status }, deps);
  return toResponse(answer, c.get('requestId'), headers);
}

async function refused(
  c: AppContext,
  channel: Channel,
  head: DeliveryHead,
  error: unknown,
  deps: HookDeps,
): Promise<Response> {
  let code = codeOf(error);
  const isForged = isFailedProof(code);
  if (isForged && (await deps.failures.isOver(deps.sourceOf(c)))) code = 'ERR_RATE_LIMITED';
  if (code === 'ERR_INTERNAL') deps.logger.error({ requestId: c.get('requestId'), error }, 'delivery.failed');
  const answer = channel.refuse(code);
  const outcome: DeliveryOutcome = answer.status === 503 ? 'unavailable' : 'rejected';
  deps.meter.delivery(channel.name, outcome, reasonOf(code));
  finished(c, channel, head, { outcome, code, status: answer.status }, deps);
  return toResponse(answer, c.get('requestId'));
}

/** `ERR_SIGNATURE_MISMATCH` as a metric label: `signature_mismatch`. */
const reasonOf = (code: ErrorCode): string => code.slice('ERR_'.length).toLowerCase();

interface Ending {
  readonly outcome: DeliveryOutcome;
  readonly status: number;
  readonly code?: ErrorCode;
  readonly items?: Receipt['items'];
}

function finished(c: AppContext, channel: Channel, head: DeliveryHead, ending: Ending, deps: HookDeps): void {
  const ms = deps.clock() - head.receivedAt;
  deps.meter.acked(channel.name, ms / 1000);
  const { items = [], ...fields } = ending;
  const [only] = items;
  const quarantined = items.filter(({ outcome }) => outcome === 'quarantined').length;
  const detail =
    items.length > 1 ? { items: items.length, quarantined } : { reason: only?.reason, eventId: only?.eventId };
  const line = { requestId: c.get('requestId'), tenant: head.tenant, channel: channel.name, ...fields, ...detail, ms };
  // Forgeries come in floods; their address is what an operator blocks.
  const isForgery = ending.outcome === 'rejected' || quarantined > 0;
  if (isForgery) deps.logger.warn({ ...line, source: deps.sourceOf(c) }, `delivery.${ending.outcome}`);
  else deps.logger.info(line, `delivery.${ending.outcome}`);
}
