import type { Clock } from '../../src/core/clock.ts';
import type { EventRecord, InboundEvent } from '../../src/core/event.ts';
import type { Accepted } from '../../src/queue/inbox.ts';
import type { ConversationRef, HeldLease, Taken } from '../../src/queue/lease.ts';
import type { Store, StoreLimits } from '../../src/queue/store.ts';
import { conversationOf, runEnding } from '../support/events.ts';

export interface OpenOverrides {
  readonly limits?: Partial<StoreLimits>;
  /** Absent: the real time. */
  readonly clock?: Clock;
}

/** What a driver gives the contract suites to run against it. */
export interface StoreHarness {
  /** A fresh store that shares nothing with any other. */
  open(overrides?: OpenOverrides): Promise<Store>;
  /** A second handle on the same data with the same limits and clock: another process's view. */
  reopen(store: Store): Promise<Store>;
  /** Takes every wake away that waits or was handed over, as an operator who cleans queues would. Absent: there is none to take. */
  loseWakes?(store: Store): Promise<void>;
  /**
   * `outbox`: the inbox is that of the edge, in front of the store that holds the queues. Absent: `queue`, the inbox of
   * that store itself.
   */
  readonly holds?: 'queue' | 'outbox';
  /** Closes every store that was opened and removes its data. */
  cleanup(): Promise<void>;
}

export interface Head {
  readonly record: EventRecord;
  readonly lease: HeldLease;
}

/** The head of what was taken; fails the test when there is none. */
export function headOf(taken: Taken): Head {
  if (taken.kind !== 'head') throw new Error(`expected a head, got ${taken.kind}`);
  return taken;
}

export const takeHead = async (store: Store, conversation: ConversationRef): Promise<Head> =>
  headOf(await store.lease.take(conversation));

/** Accepts one event that must be new. */
export async function acceptOne(store: Store, event: InboundEvent): Promise<InboundEvent> {
  const [answer] = await store.inbox.accept([event]);
  if (answer?.outcome !== 'accepted') throw new Error(`expected accepted, got ${answer?.outcome}`);
  return event;
}

export async function acceptAll(store: Store, events: readonly InboundEvent[]): Promise<Accepted['outcome'][]> {
  return (await store.inbox.accept(events)).map((answer) => answer.outcome);
}

export async function recordOf(store: Store, event: InboundEvent): Promise<EventRecord> {
  const record = await store.events.get(event.tenant, event.id);
  if (record === null) throw new Error('expected a record');
  return record;
}

/** Takes the conversation's head and ends it well. */
export async function finishHead(store: Store, conversation: ConversationRef): Promise<EventRecord> {
  const { record, lease } = await takeHead(store, conversation);
  await store.lease.finish(lease, { kind: 'done', run: runEnding('replied') }, false);
  return record;
}

/** Accepts the event, runs it once and leaves it parked. */
export async function parkOne(store: Store, event: InboundEvent): Promise<InboundEvent> {
  await acceptOne(store, event);
  const { lease } = await takeHead(store, conversationOf(event));
  await store.lease.finish(lease, { kind: 'parked', run: runEnding('parked'), code: 'ERR_AGENT_FAILED' }, false);
  return event;
}
