import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nodeCrypto } from '../../../../src/core/crypto/crypto.node.ts';
import type { InboundEvent } from '../../../../src/core/event.ts';
import type { OutboxRow } from '../../../../src/queue/edge/outbox.ts';
import { createShardStore, type Judged, type ShardStore } from '../../../../src/queue/edge/shard-store.ts';
import type { Sql } from '../../../../src/queue/edge/sql.ts';
import { seeded } from '../../../support/campaign.ts';
import { createFakeClock } from '../../../support/clock.ts';
import { entryOf, SHARD, TENANT } from '../../../support/edge-shard.ts';
import { openSqlFile, type SqlFile } from '../../../support/edge-sql.ts';
import { altered, conversationNamed, createEventMaker, deliveredAgain } from '../../../support/events.ts';
import { testFolder } from '../../../support/folder.ts';

const HOUR_MS = 3_600_000;
const MAX_EVENTS = 12;

/** Fails now and then in the middle of a transaction, which is then rolled back. */
const failing = (sql: SqlFile, isDue: () => boolean): Sql => ({
  ...sql,
  run(query, ...values) {
    if (/^\s*(INSERT|UPDATE|DELETE)/.test(query) && isDue()) throw new Error('the disk failed');
    sql.run(query, ...values);
  },
});

/** The origin's side: what it was sent, in order, each event once. */
function createOrigin() {
  const known = new Map<string, InboundEvent>();
  const order: string[] = [];
  let last = { bornAt: 0, attempt: 0 };
  return {
    known,
    order,
    receive(epoch: string, attempt: number, rows: readonly OutboxRow[]): void {
      const bornAt = Number.parseInt(epoch, 36);
      if (bornAt < last.bornAt || attempt <= last.attempt) throw new Error('an attempt was used again');
      last = { bornAt, attempt };
      for (const { id, body } of rows) {
        if (known.has(id)) continue;
        known.set(id, JSON.parse(body) as InboundEvent);
        order.push(id);
      }
    },
  };
}

/**
 * A history of accepts, repetitions, contradictions, batches, lost answers, refusals, failing disks and crashes. Nothing
 * that was acknowledged may be missing at the origin in the end.
 */
test.each(Array.from({ length: 10 }, (_, n) => n + 1))('history %i loses nothing and keeps the order', async (seed) => {
  const random = seeded(seed);
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  const clock = createFakeClock();
  const event = createEventMaker(clock.now);
  const path = join(await testFolder(), 'shard.db');
  let isCalm = false;
  let sql = openSqlFile(path);
  onTestFinished(() => sql.close());
  const open = (): ShardStore =>
    createShardStore({
      sql: failing(sql, () => !isCalm && random() < 0.02),
      clock: clock.now,
      crypto: nodeCrypto,
      limits: { maxEvents: MAX_EVENTS, maxBytes: 100_000_000 },
    });
  isCalm = true;
  let store = open();
  isCalm = false;

  const origin = createOrigin();
  const accepted: InboundEvent[] = [];
  const repeated: Exclude<Judged, { readonly outcome: 'full' }>[] = [];
  /** Refused once, or sent again by an operator: these may come later than what followed them. */
  const movedToTheEnd = new Set<string>();
  const dropped = new Set<string>();
  let wasFull = 0;

  function deliver(events: readonly InboundEvent[]): void {
    let answers: readonly Judged[];
    try {
      answers = store.accept(TENANT, SHARD, events.map(entryOf));
    } catch {
      // The sender saw a 503 and asks again later, as anyone may.
      return;
    }
    for (const [n, answer] of answers.entries()) {
      const one = events[n] as InboundEvent;
      if (answer.outcome === 'full') wasFull += 1;
      else if (answer.outcome !== 'accepted') repeated.push(answer);
      else if (!accepted.includes(one)) accepted.push(one);
    }
  }

  function forward(answer: 'accepted' | 'lost' | 'never sent' | 'some refused' | 'some full'): void {
    const batch = store.begin({ events: 1 + Math.floor(random() * 6), bytes: 1_000_000 });
    if (batch === null || answer === 'never sent') return;
    const refused = answer === 'some refused' ? batch.rows.filter(() => random() < 0.2) : [];
    const full = answer === 'some full' ? batch.rows.slice(Math.floor(random() * batch.rows.length)) : [];
    const done = batch.rows.filter((row) => !refused.includes(row) && !full.includes(row));
    for (const { id } of refused) movedToTheEnd.add(id);
    origin.receive(batch.epoch, batch.attempt, done);
    if (answer === 'lost') return;
    store.settle({ done, parked: refused.map((row) => ({ row, reason: 'malformed' })) });
  }

  const conversations = Array.from({ length: 4 }, (_, n) => conversationNamed(`C${n}`));
  const fresh = (): InboundEvent =>
    event({
      conversation: conversations[Math.floor(random() * 4)] as InboundEvent['conversation'],
      windowMs: 24 * HOUR_MS,
    });

  for (let step = 0; step < 400; step += 1) {
    const dice = random();
    const known = pick(accepted);
    try {
      if (dice < 0.35) deliver(Array.from({ length: 1 + Math.floor(random() * 3) }, fresh));
      else if (dice < 0.45 && known !== undefined) deliver([deliveredAgain(known)]);
      else if (dice < 0.5 && known !== undefined) deliver([altered(known)]);
      else if (dice < 0.55 && known !== undefined) deliver([known]);
      else if (dice < 0.85) {
        forward(pick(['accepted', 'accepted', 'lost', 'never sent', 'some refused', 'some full'] as const) ?? 'lost');
      } else if (dice < 0.9) {
        sql.close();
        sql = openSqlFile(path);
        store = open();
      } else if (dice < 0.94) {
        const parked = pick(store.listParked(100));
        if (parked !== undefined && store.resend(parked.id)) movedToTheEnd.add(parked.id);
      } else if (dice < 0.95) {
        const parked = pick(store.listParked(100));
        if (parked !== undefined && store.drop(parked.id)) dropped.add(parked.id);
      } else if (dice < 0.97) store.renewEpoch();
      else clock.advance(Math.floor(random() * HOUR_MS));
      expect(store.stats().waiting.events).toBeLessThanOrEqual(MAX_EVENTS + movedToTheEnd.size);
    } catch (error) {
      if (!(error instanceof Error && error.message === 'the disk failed')) throw error;
    }
  }

  isCalm = true;
  sql.close();
  sql = openSqlFile(path);
  store = open();
  for (const { id } of store.listParked(1_000)) movedToTheEnd.add(id) && store.resend(id);
  while (store.stats().waiting.events > 0) forward('accepted');

  expect(accepted.length).toBeGreaterThan(20);
  expect(wasFull).toBeGreaterThan(0);
  for (const { id } of accepted) expect([id, origin.known.has(id) || dropped.has(id)]).toEqual([id, true]);
  for (const { outcome, id } of repeated) {
    if (outcome === 'duplicate') expect([id, origin.known.has(id) || dropped.has(id)]).toEqual([id, true]);
  }
  const places = new Map(origin.order.map((id, place) => [id, place]));
  for (const { key } of conversations) {
    const inOrder = accepted.filter(
      ({ id, conversation }) => conversation.key === key && !movedToTheEnd.has(id) && !dropped.has(id),
    );
    const found = inOrder.map(({ id }) => places.get(id) ?? -1);
    expect(found).toEqual([...found].sort((a, b) => a - b));
  }
  expect(store.stats()).toMatchObject({ waiting: { events: 0, bytes: 0 }, parked: { events: 0, bytes: 0 } });
  const { counts } = store.stats();
  expect(counts.accepted).toBe(accepted.length);
  // Those that came while the outbox was full were judged and not counted.
  expect(counts.duplicate + counts.conflict).toBeGreaterThan(0);
  expect(counts.duplicate + counts.conflict).toBeLessThanOrEqual(repeated.length);
});
