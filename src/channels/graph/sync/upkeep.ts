import type { Clock } from '../../../core/clock.ts';
import type { ParsedEvent } from '../../channel.ts';
import type { Kept, KeptStore } from './kept.ts';
import type { Resync } from './resync.ts';
import type { Source, Subscriptions } from './subscriptions.ts';

const MINUTE_MS = 60_000;

/**
 * How often everything is listed although nothing seems wrong. Graph announces lost notifications of mailboxes (`missed`)
 * but not of chats, so without it a lost one would stay lost.
 */
const SYNC_EVERY_MS = 15 * MINUTE_MS;

/** What is younger is still on its way as a notification: listing it would only race with that. */
const SETTLE_MS = 2 * MINUTE_MS;

export type Accept = (events: readonly ParsedEvent[]) => Promise<void>;

export interface UpkeepDeps {
  readonly store: KeptStore;
  readonly subscriptions: Subscriptions;
  readonly resync: Resync;
  readonly clock: Clock;
}

/** What a subscription needs, done by whoever finds it needed: the keeper in its turn, or a lifecycle notification. */
export interface Upkeep {
  /** Makes, remakes or prolongs the subscription where that is due; `now` where Graph asks for it. */
  bringUp(source: Source, kept: Kept, signal: AbortSignal, when: 'due' | 'now'): Promise<Kept | null>;
  /** Lists what was not delivered, where that is due; `now` up to this moment. */
  catchUp(source: Source, kept: Kept, accept: Accept, signal: AbortSignal, when: 'due' | 'now'): Promise<void>;
}

/** Prolonging it again within this time is pointless, and forbidden together with reauthorizing (Graph's limit of 10 minutes). */
const PROLONGED_LATELY_MS = 10 * MINUTE_MS;

export function createUpkeep({ store, subscriptions, resync, clock }: UpkeepDeps): Upkeep {
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
