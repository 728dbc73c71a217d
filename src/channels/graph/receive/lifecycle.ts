import { SallyportError } from '../../../core/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Read, ReadContext } from '../../channel.ts';
import { ask, type GraphApi } from '../api/graph-api.ts';
import type { LifecycleDestination } from '../reply/destination.ts';
import type { Upkeep } from '../sync/keeper.ts';
import type { HandMade, KeptStore } from '../sync/kept.ts';
import type { Resync } from '../sync/resync.ts';
import { lifetimeMs, type Source } from '../sync/subscriptions.ts';

/** Does what Graph asks of a subscription's owner (learn.microsoft.com/graph/change-notifications-lifecycle-events). */
export type React = (destination: LifecycleDestination, context: ReadContext) => Promise<Read>;

const HANDLED: Read = { kind: 'handled' };
const notKept: Read = { kind: 'ignored', reason: 'not_kept' };

export function createReact({
  api,
  store,
  sources,
  upkeep,
  resync,
  handMade,
  tenant,
  clock,
  logger,
}: {
  readonly api: GraphApi;
  readonly store: KeptStore;
  /** By nonce: what the configuration wants kept. */
  readonly sources: ReadonlyMap<string, Source>;
  readonly upkeep: Upkeep;
  readonly resync: Resync;
  readonly handMade: HandMade;
  readonly tenant: string;
  readonly clock: () => number;
  readonly logger: Logger;
}): React {
  const reactForKept = async (
    source: Source,
    { event, subscription }: LifecycleDestination,
    { signal, accept }: ReadContext,
  ): Promise<Read> => {
    const kept = await store.ensure(source.nonce, source, clock());
    if (event === 'reauthorizationRequired') {
      await upkeep.bringUp(source, kept, signal, 'now');
      return HANDLED;
    }
    const isRemoved = event === 'subscriptionRemoved';
    // News of one that was replaced meanwhile says nothing about its successor.
    if (isRemoved && kept.id !== null && kept.id !== subscription) return HANDLED;
    const marked = await store.update(source.nonce, () => ({ needsSync: true, ...(isRemoved && { id: null }) }));
    const current = marked === null || !isRemoved ? marked : await upkeep.bringUp(source, marked, signal, 'now');
    if (current !== null) await upkeep.catchUp(source, current, accept, signal, 'now');
    return HANDLED;
  };

  /** Ours to reauthorize as long as our app may; not ours to make again, because only its maker knows what it was. */
  const reactForHandMade = async (
    { event, subscription }: LifecycleDestination,
    { signal, accept, eligibleAt }: ReadContext,
  ): Promise<Read> => {
    const path = `/subscriptions/${encodeURIComponent(subscription)}`;
    const { status, body } = await ask(api, { method: 'GET', path, signal }, [403, 404]);
    const { resource } = body;
    if (event === 'subscriptionRemoved' || status !== 200 || typeof resource !== 'string') {
      logger.warn({ tenant, channel: 'graph', subscription, event }, 'subscription.hand-made-lost');
      return notKept;
    }
    if (event === 'reauthorizationRequired') {
      const end = new Date(clock() + lifetimeMs(resource, body.includeResourceData === true)).toISOString();
      await ask(api, { method: 'PATCH', path, body: { expirationDateTime: end }, signal });
      return HANDLED;
    }
    const notBefore = await handMade.startOf(subscription, eligibleAt);
    const source = { nonce: undefined, subscription };
    const gap = { resource, mailbox: null, source, notBefore, from: notBefore, to: clock() };
    await resync(gap, accept, async () => {}, signal);
    return HANDLED;
  };

  return async (destination, context) => {
    const { nonce, subscription, event } = destination;
    logger.info({ tenant, channel: 'graph', subscription, event }, 'subscription.lifecycle');
    const source = nonce === undefined ? undefined : sources.get(nonce);
    if (source !== undefined) return reactForKept(source, destination, context);
    return nonce === undefined ? reactForHandMade(destination, context) : notKept;
  };
}

/** For tenants without credentials. */
export const cannotReact: React = async () => {
  throw new SallyportError('ERR_SOURCE_REJECTED', 'GRAPH_CLIENT_ID and GRAPH_CLIENT_SECRET are needed for this');
};
