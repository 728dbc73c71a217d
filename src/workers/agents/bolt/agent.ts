import type { AckFn, StringIndexed } from '@slack/bolt';
import { SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import { isJsonObject } from '../../../core/json/json-text.ts';
import type { Logger } from '../../../core/logger.ts';
import type { GuardedFetch } from '../../../net/guarded-fetch.ts';
import type { Agent } from '../../agent.ts';
import type { Steps } from '../../steps.ts';
import { type AppSource, adaptApp, type BoltApp, loadApp } from './app.ts';
import { createTenantApp, type TenantSlack } from './tenant-app.ts';

/** What the gate trusts an adapter with and no other agent. */
export interface BoltDeps {
  /** Opens a capability of the event; null when it has none of that name. @throws SallyportError ERR_SEAL_BROKEN */
  readonly open: (event: InboundEvent, name: string) => string | null;
  /** By tenant. */
  readonly slack: ReadonlyMap<string, TenantSlack>;
  readonly logger: Logger;
}

/**
 * An existing Bolt app as a consumer of accepted events. The event is done when every listener is; one that throws fails
 * the attempt. The app posts by itself, so there is never a reply: it is outside what the gate promises about effects
 * that happen once, about dollars and about reviews.
 */
export function createBoltAgent(source: AppSource, deps: BoltDeps): Pick<Agent, 'run'> & Required<Pick<Agent, 'load'>> {
  let loading: Promise<AppOfTenant> | undefined;
  const load = async (): Promise<AppOfTenant> => {
    const app = await loadApp(source);
    adaptApp(app);
    return appOfTenant(app);
  };
  const loaded = (): Promise<AppOfTenant> => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
  return {
    async load() {
      await loaded();
    },
    async run({ event, generation, attempt }, { steps, signal }) {
      const slack = deps.slack.get(event.tenant);
      if (event.channel !== 'slack' || slack === undefined) return { kind: 'silent' };
      const app = (await loaded())(event.tenant, slack);
      const responseUrl = deps.open(event, 'response_url');
      const step = `bolt:${generation}:ack`;
      const ack = createAck({ event, responseUrl, step, steps, signal, fetch: slack.fetch, logger: deps.logger });
      const customProperties = { sallyport: { eventId: event.id, tenant: event.tenant, generation, attempt } };
      const bodies = bodiesOf(event, { responseUrl, triggerId: deps.open(event, 'trigger_id') });
      const settled = await Promise.allSettled(bodies.map((body) => app.processEvent({ body, ack, customProperties })));
      for (const one of settled) if (one.status === 'rejected') throw failure(one.reason);
      return { kind: 'silent' };
    },
  };
}

type AppOfTenant = (tenant: string, slack: TenantSlack) => BoltApp;

/** Each tenant's view of the app, made when it is first needed. */
function appOfTenant(app: BoltApp): AppOfTenant {
  const views = new Map<string, BoltApp>();
  return (tenant, slack) => {
    const view = views.get(tenant) ?? createTenantApp(app, slack);
    views.set(tenant, view);
    return view;
  };
}

/** Slack's wish to be left alone for a while is kept (`WebAPIRateLimitedError`: seconds); all else is as any failure. */
function failure(error: unknown): unknown {
  const seconds: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'retryAfter') : undefined;
  if (typeof seconds !== 'number') return error;
  return new SallyportError('ERR_AGENT_FAILED', 'Slack limits the app', { retryAfterMs: seconds * 1000 });
}

interface AckDeps {
  readonly event: InboundEvent;
  readonly responseUrl: string | null;
  /** Of this generation. */
  readonly step: string;
  readonly steps: Steps;
  readonly signal: AbortSignal;
  readonly fetch: GuardedFetch;
  readonly logger: Logger;
}

/**
 * Slack had its answer when the gate accepted the event, so `ack()` is done. What a listener gives it for the user to see
 * goes to the `response_url`, once over all attempts; what only the answer itself could have done (errors of a view,
 * options of a menu) is lost, and said so in the log.
 */
function createAck(deps: AckDeps): AckFn<unknown> {
  const { event, responseUrl, step, steps, logger } = deps;
  return async (value) => {
    if (value === undefined || value === null || value === '') return;
    const isMessage = event.kind === 'command' || event.kind === 'action';
    if (!isMessage || responseUrl === null) {
      logger.warn({ eventId: event.id, kind: event.kind }, 'bolt.ack-lost');
      return;
    }
    if (steps.earlier(step) !== undefined) return;
    await post(responseUrl, typeof value === 'string' ? { text: value } : value, deps);
    await steps.record(step, { kind: 'result', value: null });
  };
}

/** @throws SallyportError ERR_AGENT_FAILED, ERR_OUTBOUND_BLOCKED and the other codes of the guarded client */
async function post(url: string, message: unknown, { fetch, signal }: AckDeps): Promise<void> {
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message), signal });
  if (status !== 200) throw new SallyportError('ERR_AGENT_FAILED', 'Slack did not take what was given to ack');
}

/** What the gate took out of a payload and kept sealed. */
interface Capabilities {
  readonly responseUrl: string | null;
  readonly triggerId: string | null;
}

/**
 * What Slack delivered, as Bolt takes it: the stored payload, scrubbed, with its capabilities back in place. Two for a
 * message that names the bot: Slack sends it as `message` and as `app_mention`, and the gate makes one event of both.
 */
function bodiesOf(event: InboundEvent, { responseUrl, triggerId }: Capabilities): StringIndexed[] {
  if (!isJsonObject(event.payload)) return [];
  // Listeners may change what they get; nobody else does.
  const body: StringIndexed = structuredClone(event.payload);
  if (triggerId !== null) body.trigger_id = triggerId;
  if (responseUrl !== null) giveBack(body, responseUrl);
  const mention = mentionOf(event, body);
  return mention === null ? [body] : [body, mention];
}

/** Views name where responses go in a list, everything else by itself. */
function giveBack(body: StringIndexed, responseUrl: string): void {
  const [first] = Array.isArray(body.response_urls) ? body.response_urls : [];
  if (isJsonObject(first)) body.response_urls[0] = { ...first, response_url: responseUrl };
  else body.response_url = responseUrl;
}

/** In direct messages Slack sends no `app_mention`. */
function mentionOf({ mentioned }: InboundEvent, body: StringIndexed): StringIndexed | null {
  const { event } = body;
  if (!mentioned || !isJsonObject(event) || event.type !== 'message' || event.channel_type === 'im') return null;
  const { channel_type: _, subtype: __, ...mention } = structuredClone(event);
  return { ...structuredClone(body), event: { ...mention, type: 'app_mention' } };
}
