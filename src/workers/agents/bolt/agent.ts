import { SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Agent } from '../../agent.ts';
import { createAck } from './acknowledge.ts';
import { type AppSource, adaptApp, type BoltApp, loadApp } from './app.ts';
import { bodiesOf } from './bodies.ts';
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
export function createBoltAgent(source: AppSource, deps: BoltDeps): Pick<Agent, 'run'> {
  let loading: Promise<AppOfTenant> | undefined;
  const load = async (): Promise<AppOfTenant> => {
    const app = await loadApp(source);
    adaptApp(app);
    return appOfTenant(app);
  };
  return {
    async run({ event, generation, attempt }, { steps, signal }) {
      const slack = deps.slack.get(event.tenant);
      if (event.channel !== 'slack' || slack === undefined) return { kind: 'silent' };
      loading ??= load().catch((error: unknown) => {
        loading = undefined;
        throw error;
      });
      const app = (await loading)(event.tenant, slack);
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
