import type { Clock } from '../../../core/clock.ts';
import { codeOf, SallyportError } from '../../../core/errors.ts';
import type { KeptSource } from '../../../core/kept-source.ts';
import type { Logger } from '../../../core/logger.ts';
import { isUnreadable } from '../../../queue/records/collection.ts';
import type { KeeperTask, ParsedEvent } from '../../channel.ts';
import { ask, type GraphApi } from '../api/graph-api.ts';
import { isGuid, mailboxOf, splitPath } from '../resource.ts';
import type { Kept, KeptStore } from './kept.ts';
import type { Resync } from './resync.ts';
import { isTeams, type Source, type Subscriptions } from './subscriptions.ts';

/** After a failure that names no time of its own, in ms: an operator who wishes for a look does not wait for long. */
const RETRY_MS = 10_000;

const LOOK_EVERY_MS = 15 * 60_000;

/** Sources looked after side by side: one slow answer must not make the renewal of 500 others late. */
const AT_ONCE = 8;

/** Keeps a tenant's Graph subscriptions: makes, adopts, renews, remakes and ends them, and lists what they did not tell. */
export function createGraphKeeperTask({
  api,
  store,
  subscriptions,
  upkeep,
  sources,
  accept,
  tenant,
  clock,
  logger,
}: {
  readonly api: GraphApi;
  readonly store: KeptStore;
  readonly subscriptions: Subscriptions;
  readonly upkeep: Upkeep;
  /** What the configuration wants kept, by nonce. */
  readonly sources: ReadonlyMap<string, Source>;
  /** Accepts what a resync finds. */
  readonly accept: Accept;
  readonly tenant: string;
  readonly clock: Clock;
  readonly logger: Logger;
}): KeeperTask {
  let lookedAt = 0;
  /**
   * Graph may end a subscription without a word, or lose the word. Looked for every quarter of an hour, one call for all;
   * what is wrongly found missing is adopted again.
   */
  const look = async (signal: AbortSignal): Promise<void> => {
    if (clock() - lookedAt < LOOK_EVERY_MS) return;
    lookedAt = clock();
    const kept = [...(await store.list())].filter(([nonce, { id }]) => id !== null && sources.has(nonce));
    if (kept.length === 0) return;
    // Not asked in vain: the renewal of each finds the same, later.
    const present = await subscriptions.present(signal).catch(() => null);
    for (const [nonce, { id, resource }] of kept) {
      if (present === null || present.has(id ?? '')) continue;
      logger.warn({ tenant, channel: 'graph', resource }, 'subscription.vanished');
      await store.update(nonce, (latest) => (latest.id === id ? { id: null, needsSync: true } : {}));
    }
  };

  const recordFailure = async (source: Source, error: unknown): Promise<void> => {
    const code = codeOf(error);
    // A store that is away cannot be told so; the task as a whole has failed then.
    if (code === 'ERR_STORE_UNAVAILABLE') throw error;
    const waitMs = (error instanceof SallyportError ? error.retryAfterMs : undefined) ?? RETRY_MS;
    await store.update(source.nonce, () => ({ failure: code, notBefore: clock() + waitMs }));
    const { resource } = source;
    logger.warn({ tenant, channel: 'graph', resource, code, waitMs, error }, 'subscription.failed');
  };

  /**
   * Notifications name a mailbox by its user's GUID where the configuration may name its address. Both must come to the
   * same identity, so the GUID is asked for once (User.ReadBasic.All); where that is not allowed the first notification tells.
   */
  const learnMailbox = async (source: Source, kept: Kept, signal: AbortSignal): Promise<void> => {
    const user = splitPath(source.resource)[0]?.id;
    if (kept.mailbox !== null || user === undefined || isTeams(source.resource) || isGuid(user)) return;
    const path = `/users/${encodeURIComponent(user)}`;
    const { body } = await ask(api, { method: 'GET', path, query: { $select: 'id' }, signal }, [400, 403, 404]);
    const mailbox = typeof body.id === 'string' ? mailboxOf(body.id) : mailboxOf(user);
    await store.update(source.nonce, (latest) => ({ mailbox: latest.mailbox ?? mailbox }));
  };

  /** One step after the other; a failure is recorded and does not affect the others. */
  const keep = async (source: Source, signal: AbortSignal): Promise<void> => {
    const kept = await store.ensure(source.nonce, source, clock());
    if (clock() < kept.notBefore) return;
    try {
      await upkeep.bringUp(source, kept, signal, 'due');
      await learnMailbox(source, kept, signal);
      const current = await store.get(source.nonce);
      if (current?.id != null) await upkeep.catchUp(source, current, accept, signal, 'due');
      if (kept.failure !== null) await store.update(source.nonce, () => ({ failure: null }));
    } catch (error) {
      signal.throwIfAborted();
      await recordFailure(source, error);
    }
  };

  /** A record that cannot be read does not affect the others: it stays as it was and is reported. */
  const keepAndReport = async (source: Source, signal: AbortSignal): Promise<KeptSource> => {
    try {
      await keep(source, signal);
      return reportOf(source, await store.ensure(source.nonce, source, clock()), clock());
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return { name: source.resource, state: 'failing', expiresAt: null, lastEventAt: null, code: codeOf(error) };
    }
  };

  /** What the configuration no longer names. */
  const endUnwanted = async (signal: AbortSignal): Promise<void> => {
    for (const [nonce, kept] of await store.list()) {
      if (sources.has(nonce)) continue;
      try {
        await subscriptions.end(kept, signal);
        await store.remove(nonce);
        logger.info({ tenant, channel: 'graph', resource: kept.resource }, 'subscription.ended');
      } catch (error) {
        signal.throwIfAborted();
        logger.warn(
          { tenant, channel: 'graph', resource: kept.resource, code: codeOf(error) },
          'subscription.not-ended',
        );
      }
    }
  };

  return {
    name: `graph/${tenant}`,
    tenant,
    channel: 'graph',
    async run(signal) {
      await look(signal);
      const waiting = [...sources.values()];
      const reports: KeptSource[] = [];
      const work = async (): Promise<void> => {
        for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
          signal.throwIfAborted();
          reports.push(await keepAndReport(source, signal));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, work));
      await endUnwanted(signal);
      return { sources: reports.sort((a, b) => (a.name < b.name ? -1 : 1)) };
    },
  };
}

function reportOf({ resource }: Source, kept: Kept, now: number): KeptSource {
  const isLapsed = kept.id === null || kept.expiresAt === null || kept.expiresAt <= now;
  return {
    name: resource,
    state: isLapsed ? 'lapsed' : kept.failure === null ? 'active' : 'failing',
    expiresAt: kept.expiresAt,
    lastEventAt: kept.lastEventAt,
    startedAt: kept.startedAt,
    ...(kept.failure !== null && { code: kept.failure }),
  };
}

const MINUTE_MS = 60_000;

/**
 * How often everything is listed although nothing seems wrong. Graph announces lost notifications of mailboxes (`missed`)
 * but not of chats, so without it a lost one would stay lost.
 */
const SYNC_EVERY_MS = 15 * MINUTE_MS;

/** What is younger is still on its way as a notification: listing it would only race with that. */
const SETTLE_MS = 2 * MINUTE_MS;

type Accept = (events: readonly ParsedEvent[]) => Promise<void>;

/** What a subscription needs, done by whoever finds it needed: the keeper in its turn, or a lifecycle notification. */
export interface Upkeep {
  /** Makes, remakes or prolongs the subscription where that is due; `now` where Graph asks for it. */
  bringUp(source: Source, kept: Kept, signal: AbortSignal, when: 'due' | 'now'): Promise<Kept | null>;
  /** Lists what was not delivered, where that is due; `now` up to this moment. */
  catchUp(source: Source, kept: Kept, accept: Accept, signal: AbortSignal, when: 'due' | 'now'): Promise<void>;
}

/** Prolonging it again within this time is pointless, and forbidden together with reauthorizing (Graph's limit of 10 minutes). */
const PROLONGED_LATELY_MS = 10 * MINUTE_MS;

export function createUpkeep({
  store,
  subscriptions,
  resync,
  clock,
}: {
  readonly store: KeptStore;
  readonly subscriptions: Subscriptions;
  readonly resync: Resync;
  readonly clock: Clock;
}): Upkeep {
  const remake = async (source: Source, kept: Kept, signal: AbortSignal): Promise<Kept | null> => {
    // Whatever came while there was none is only in the lists. The first time there is nothing before it.
    if (kept.renewedAt !== null) await store.update(source.nonce, () => ({ needsSync: true }));
    return subscriptions.establish(source, signal);
  };

  return {
    async bringUp(source, kept, signal, when) {
      if (kept.id === null) return remake(source, kept, signal);
      if (kept.madeWith !== subscriptions.fingerprintOf(source)) {
        await subscriptions.end(kept, signal);
        const ended = await store.update(source.nonce, () => ({ id: null, needsSync: true }));
        return ended === null ? null : remake(source, ended, signal);
      }
      const isDue = clock() >= kept.renewAt;
      const isFresh = kept.prolongedAt !== null && clock() - kept.prolongedAt < PROLONGED_LATELY_MS;
      if (!isDue && (when === 'due' || isFresh)) return kept;
      const renewed = await subscriptions.renew(source, kept, signal);
      return renewed?.id === null ? remake(source, renewed, signal) : renewed;
    },
    async catchUp(source, kept, accept, signal, when) {
      const now = clock();
      if (when === 'due' && !kept.needsSync && now - kept.syncedAt < SYNC_EVERY_MS) return;
      const to = when === 'now' || kept.needsSync ? now : now - SETTLE_MS;
      const { resource, mailbox, startedAt, syncedTo } = kept;
      const gap = {
        resource,
        mailbox,
        source: { nonce: source.nonce, subscription: undefined },
        from: syncedTo,
        to,
        notBefore: startedAt,
      };
      const syncedUpTo = (at: number) => (latest: Kept) => ({ syncedTo: Math.max(latest.syncedTo, at) });
      const onProgress = async (at: number): Promise<void> => {
        await store.update(source.nonce, syncedUpTo(at));
      };
      await resync(gap, accept, onProgress, signal);
      await store.update(source.nonce, (latest) => ({ ...syncedUpTo(to)(latest), needsSync: false, syncedAt: now }));
    },
  };
}
