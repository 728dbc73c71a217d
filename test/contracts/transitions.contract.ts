import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type EventRecord, type HeldReply, type InboundEvent, noUsage, type Run } from '../../src/core/event.ts';
import type { Callback } from '../../src/queue/callbacks.ts';
import type { EffectOutcome } from '../../src/queue/events.ts';
import type { JournalEntry } from '../../src/queue/journal.ts';
import type { HeldLease, Outcome, Taken } from '../../src/queue/lease.ts';
import {
  callBack,
  callbackJson,
  claimHead,
  decideReview,
  endAttempt,
  isInLine,
  MAX_SKIPPED,
  type Progress,
  parkByOperator,
  redrive,
  resolveEffect,
} from '../../src/queue/model/transitions.ts';
import type { ReviewAction } from '../../src/queue/reviews.ts';
import { defaultLimits, type Store } from '../../src/queue/store.ts';
import { createFakeClock, type FakeClock } from '../support/clock.ts';
import { conversationNamed, createEventMaker, type EventMaker } from '../support/events.ts';
import type { StoreHarness } from './harness.ts';

/** Histories for each store, and how long each is. Small limits, so that attempts, waits and age run out within one. */
const RUNS = Number(process.env.FC_RUNS ?? 60);
const LENGTH = 40;
const limits = { ...defaultLimits, leaseMs: 1_000, maxAttempts: 2, maxBackoffMs: 1_500, maxAgeMs: 6_000 };

const EPOCH = 1_900_000_000_000;
const conversation = conversationNamed('model');
const ref = { tenant: 'acme', key: conversation.key };
const reply = { text: 'hello' };

/** What a store must hold of one conversation, made of nothing but the decisions of queue/model. */
class Model {
  readonly clock: FakeClock = createFakeClock(EPOCH);
  readonly event: EventMaker = createEventMaker(this.clock.now);
  readonly accepted: InboundEvent[] = [];
  readonly progress = new Map<string, Progress>();
  readonly journal = new Map<string, Map<string, JournalEntry>>();
  line: string[] = [];
  lease: { readonly token: number; until: number } | null = null;
  notBefore = 0;
  /** Of every head that was taken, latest last. */
  readonly leases: HeldLease[] = [];

  accept(ageMs: number): InboundEvent {
    const event = this.event({ conversation, receivedAt: this.clock.now() - ageMs });
    this.accepted.push(event);
    this.progress.set(event.id, {
      state: 'queued',
      generation: 1,
      attempts: 0,
      eligibleAt: event.receivedAt,
      waitedMs: 0,
      runs: [],
      failure: null,
      review: null,
    });
    this.journal.set(event.id, new Map());
    this.line.push(event.id);
    return event;
  }

  of(id: string): Progress {
    return this.progress.get(id) as Progress;
  }

  record(id: string): EventRecord {
    const { waitedMs: _, failure, review, ...rest } = this.of(id);
    const event = this.accepted.find((each) => each.id === id) as InboundEvent;
    const failed = failure === null ? {} : { failure: { code: failure } };
    return { event, deliveries: 1, ...rest, ...failed, ...(review === null ? {} : { review }) };
  }

  /** Stores what was decided, and answers with the record. */
  apply<D extends { readonly kind: string; readonly event?: Progress }>(id: string, decision: D): unknown {
    if (decision.event === undefined) return decision;
    const wasHead = this.line[0] === id;
    const wasInLine = isInLine(this.of(id).state);
    this.progress.set(id, decision.event);
    if (wasInLine !== isInLine(decision.event.state)) {
      if (wasInLine) this.line = this.line.filter((each) => each !== id);
      else this.line.push(id);
      if (wasHead) this.free(0);
    }
    return { kind: decision.kind, record: this.record(id) };
  }

  free(notBefore: number): void {
    this.lease = null;
    this.notBefore = notBefore;
  }

  take(token: number): unknown {
    const now = this.clock.now();
    if (this.line.length === 0) return { kind: 'empty' };
    if (this.lease !== null && this.lease.until > now) return { kind: 'held', at: this.lease.until };
    if (this.lease === null && this.notBefore > now) return { kind: 'later', at: this.notBefore };
    return this.takeHead(token);
  }

  takeHead(token: number): unknown {
    const now = this.clock.now();
    for (let skipped = 0; skipped < MAX_SKIPPED && this.line.length > 0; skipped += 1) {
      const [id = ''] = this.line;
      const { kind, event } = claimHead(this.of(id), limits, now);
      this.progress.set(id, event);
      if (kind === 'run') {
        this.lease = { token, until: now + limits.leaseMs };
        this.notBefore = 0;
        const lease = { conversation: ref, eventId: id, token, run: event.runs.length };
        return { kind: 'head', record: this.record(id), lease };
      }
      this.line.shift();
    }
    return this.handOver();
  }

  handOver(): unknown {
    this.free(0);
    return { kind: this.line.length === 0 ? 'empty' : 'handed' };
  }

  finish(held: HeldLease, outcome: Outcome, more: boolean, token: number): unknown {
    if (this.lease?.token !== held.token) return { kind: 'stale' };
    const awaited = outcome.kind === 'wait' ? outcome.awaited : undefined;
    const isThere = awaited !== undefined && this.journal.get(held.eventId)?.has(awaited) === true;
    const { event, delayMs } = endAttempt(this.of(held.eventId), outcome, isThere, limits);
    this.progress.set(held.eventId, event);
    if (!isInLine(event.state)) this.line.shift();
    if (delayMs > 0) {
      this.free(this.clock.now() + delayMs);
      return { kind: 'later', at: this.notBefore };
    }
    return more ? this.takeHead(token) : this.handOver();
  }

  write({ eventId, token }: HeldLease, step: string, entry: Omit<JournalEntry, 'at'>, holdMs: number): boolean {
    if (this.lease?.token !== token) return false;
    this.lease.until = Math.max(this.lease.until, this.clock.now() + holdMs);
    this.journal.get(eventId)?.set(step, { ...entry, at: this.clock.now() });
    return true;
  }

  resolve(id: string, step: string, outcome: EffectOutcome): unknown {
    const entry = this.journal.get(id)?.get(step);
    const decision = resolveEffect(this.of(id), step, entry, outcome);
    if (decision.kind === 'ok' && entry !== undefined) {
      const kind = outcome === 'delivered' ? 'result' : 'refused';
      this.journal.get(id)?.set(step, { ...entry, kind, at: this.clock.now() });
    }
    return this.apply(id, decision);
  }

  callBack(id: string, callback: Callback): unknown {
    const entry = this.journal.get(id)?.get(callback.step);
    const answer = callBack(this.of(id), callback, entry && callbackJson(entry.value));
    if (answer.kind === 'accepted') {
      const { step, value } = callback;
      this.journal.get(id)?.set(step, { kind: 'result', value, at: this.clock.now() });
      if (this.of(id).state === 'waiting') this.free(0);
    }
    return answer;
  }
}

/** One call of a port: asks the store, asks the model, and says whether they agree. */
type Step = (store: Store, model: Model) => Promise<void>;

/** A counterexample shows names. */
const named = (name: string, values: readonly unknown[], step: Step): Step =>
  Object.assign(step, {
    [fc.toStringMethod]: () => `${name} ${values.map((value) => JSON.stringify(value)).join(' ')}`,
  });

type Answers = readonly [answer: unknown, expected: unknown];

/** Asks about the event that the number stands for, if there is one. */
const onEvent =
  (which: number, ask: (store: Store, model: Model, id: string) => Promise<Answers>): Step =>
  async (store, model) => {
    const id = model.accepted.at(-1 - (which % model.accepted.length))?.id;
    if (id === undefined) return;
    const [answer, expected] = await ask(store, model, id);
    expect(answer).toEqual(expected);
  };

/** Asks with the lease of the latest head that was taken, or of the first. */
const onLease =
  (isOld: boolean, ask: (store: Store, model: Model, lease: HeldLease) => Promise<Answers>): Step =>
  async (store, model) => {
    const lease = isOld ? model.leases[0] : model.leases.at(-1);
    if (lease === undefined) return;
    const [answer, expected] = await ask(store, model, lease);
    expect(answer).toEqual(expected);
  };

/** The model takes the token from the store, whose counter is its own; everything else must be the same. */
const tokenIn = (taken: Taken, model: Model): number => {
  if (taken.kind !== 'head') return 0;
  model.leases.push(taken.lease);
  return taken.lease.token;
};

/** Of the accepted, latest first. */
const which = fc.nat({ max: 3 });
const ms = fc.constantFrom(0, 1, 0.5, 499, 500, 1_000, 1_001, 1_500, 1_501);
const isOld = fc.constantFrom(false, false, false, true);

const ended = (model: Model, outcome: Run['outcome'], state?: 'delivered' | 'ambiguous'): Run => ({
  startedAt: model.clock.now() - 5,
  finishedAt: model.clock.now(),
  outcome,
  usage: { ...noUsage, modelCalls: 1 },
  agent: 'test',
  ...(state === undefined ? {} : { reply: { ...reply, state } }),
});

const held = (model: Model, forMs: number): HeldReply => ({
  ...reply,
  digest: 'first',
  version: 1,
  generation: 1,
  heldAt: model.clock.now(),
  expiresAt: model.clock.now() + forMs,
  requester: { id: 'U1', kind: 'user' },
});

const outcome: fc.Arbitrary<(model: Model) => Outcome> = fc.oneof(
  fc.constantFrom('done', 'ignored').map(
    (kind) =>
      (model: Model): Outcome => ({ kind, run: ended(model, 'silent') }),
  ),
  fc
    .tuple(
      fc.constantFrom('ERR_AGENT_FAILED', 'ERR_AMBIGUOUS_EFFECT'),
      fc.constantFrom('delivered', 'ambiguous', undefined),
    )
    .map(
      ([code, state]) =>
        (model: Model): Outcome => ({ kind: 'parked', code, run: ended(model, 'parked', state) }),
    ),
  fc.constantFrom(1, 1_000).map(
    (forMs) =>
      (model: Model): Outcome => ({ kind: 'review', run: ended(model, 'review'), review: held(model, forMs) }),
  ),
  ms.map(
    (delayMs) =>
      (model: Model): Outcome => ({ kind: 'retry', run: ended(model, 'retry'), code: 'ERR_AGENT_FAILED', delayMs }),
  ),
  fc.tuple(ms, fc.boolean()).map(
    ([delayMs, isAwaited]) =>
      (model: Model): Outcome => ({
        kind: 'wait',
        run: ended(model, 'waiting'),
        delayMs,
        ...(isAwaited ? { awaited: 'called' } : {}),
      }),
  ),
  fc.constant((model: Model): Outcome => ({ kind: 'released', run: ended(model, 'released') })),
);

const action: fc.Arbitrary<(model: Model) => ReviewAction> = fc.constantFrom<((model: Model) => ReviewAction)[]>(
  (model) => ({ kind: 'approve', by: 'ann', at: model.clock.now() }),
  (model) => ({ kind: 'reject', by: 'ann', at: model.clock.now() }),
  (model) => ({ kind: 'reject', by: 'ann', at: model.clock.now(), reason: 'no' }),
  () => ({ kind: 'edit', by: 'ann', text: 'other', digest: 'second' }),
);

const accept = (ageMs: number): Step =>
  named('accept', [ageMs], async (store, model) => {
    const event = model.accept(ageMs);
    expect(await store.inbox.accept([event])).toEqual([{ outcome: 'accepted', id: event.id }]);
  });

const advance = (byMs: number): Step => named('advance', [byMs], async (_, model) => model.clock.advance(byMs));

const take: Step = named('take', [], async (store, model) => {
  const taken = await store.lease.take(ref);
  expect(taken).toEqual(model.take(tokenIn(taken, model)));
});

const finish = (isOld: boolean, make: (model: Model) => Outcome, more: boolean): Step =>
  named(
    'finish',
    [isOld, make(new Model()), more],
    onLease(isOld, async (store, model, lease) => {
      const made = make(model);
      const taken = await store.lease.finish(lease, made, more);
      return [taken, model.finish(lease, made, more, tokenIn(taken, model))];
    }),
  );

const record = (isOld: boolean, step: string, entry: Omit<JournalEntry, 'at'>, holdMs: number): Step =>
  named(
    'record',
    [isOld, step, entry, holdMs],
    onLease(isOld, async (store, model, lease) => [
      await store.journal.record(lease, step, entry, holdMs),
      model.write(lease, step, entry, holdMs),
    ]),
  );

const park = (which: number): Step =>
  named(
    'park',
    [which],
    onEvent(which, async (store, model, id) => [
      await store.events.park('acme', id),
      model.apply(id, parkByOperator(model.of(id), model.clock.now())),
    ]),
  );

const redriveOne = (which: number): Step =>
  named(
    'redrive',
    [which],
    onEvent(which, async (store, model, id) => [
      await store.events.redrive('acme', id),
      model.apply(id, redrive(model.of(id), model.clock.now())),
    ]),
  );

const resolve = (which: number, how: EffectOutcome): Step =>
  named(
    'resolve',
    [which, how],
    onEvent(which, async (store, model, id) => [
      await store.events.resolve('acme', id, 'reply', how),
      model.resolve(id, 'reply', how),
    ]),
  );

const decide = (which: number, digest: string, make: (model: Model) => ReviewAction): Step =>
  named(
    'decide',
    [which, digest, make(new Model())],
    onEvent(which, async (store, model, id) => {
      const made = make(model);
      const answer = await store.reviews.decide('acme', id, digest, made);
      return [answer, model.apply(id, decideReview(model.of(id), digest, made, model.clock.now()))];
    }),
  );

const callBackOne = (which: number, generation: number, value: string): Step =>
  named(
    'call back',
    [which, generation, value],
    onEvent(which, async (store, model, id) => {
      const callback = { generation, step: 'called', value };
      return [await store.callbacks.accept('acme', id, callback), model.callBack(id, callback)];
    }),
  );

const entry = fc.record({
  kind: fc.constantFrom('intent', 'result', 'refused'),
  value: fc.constantFrom(reply, { ...reply, more: true }),
});

/** A reply whose outcome is not known, and a reply that waits for a person: what chance alone seldom makes. */
const ambiguous = fc
  .constantFrom(reply, { ...reply, more: true })
  .map((value) => [
    accept(0),
    take,
    record(false, 'reply', { kind: 'intent', value }, 0),
    finish(
      false,
      (model) => ({ kind: 'parked', code: 'ERR_AMBIGUOUS_EFFECT', run: ended(model, 'parked', 'ambiguous') }),
      false,
    ),
  ]);
const inReview = fc
  .constantFrom(0, 999, 1_000)
  .map((laterMs) => [
    accept(0),
    take,
    finish(
      false,
      (model) => ({ kind: 'review', run: ended(model, 'review', 'ambiguous'), review: held(model, 1_000) }),
      false,
    ),
    advance(laterMs),
  ]);

const one: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(0, 0, 0, limits.maxAgeMs, limits.maxAgeMs + 1).map(accept) },
  { weight: 3, arbitrary: fc.constantFrom(1, 500, 1_000, 1_001, limits.maxAgeMs, limits.maxAgeMs + 1).map(advance) },
  { weight: 6, arbitrary: fc.constant(take) },
  { weight: 6, arbitrary: fc.tuple(isOld, outcome, fc.boolean()).map((given) => finish(...given)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(isOld, fc.constantFrom('reply', 'called'), entry, fc.constantFrom(0, 2_000))
      .map((given) => record(...given)),
  },
  { weight: 1, arbitrary: which.map(park) },
  { weight: 3, arbitrary: which.map(redriveOne) },
  {
    weight: 3,
    arbitrary: fc.tuple(which, fc.constantFrom('delivered', 'not_delivered')).map((given) => resolve(...given)),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(which, fc.constantFrom('first', 'first', 'second'), action).map((given) => decide(...given)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(which, fc.constantFrom(1, 2), fc.constantFrom('a', 'b')).map((given) => callBackOne(...given)),
  },
);

const steps: fc.Arbitrary<Step[]> = fc.oneof(
  { weight: 20, arbitrary: one.map((step) => [step]) },
  { weight: 1, arbitrary: ambiguous },
  { weight: 1, arbitrary: inReview },
);

/** The store has exactly what the model has. */
async function compare(store: Store, model: Model): Promise<void> {
  for (const { id } of model.accepted) {
    expect(await store.events.get('acme', id)).toEqual(model.record(id));
    const lease = { conversation: ref, eventId: id, token: 0, run: 0 };
    expect(await store.journal.replay(lease)).toEqual(model.journal.get(id));
  }
}

/** Every store decides as queue/model does, after whatever came before. */
export function transitionsContract(name: string, harness: StoreHarness): void {
  describe(`${name} transitions`, () => {
    afterEach(() => harness.cleanup());

    it('gives the answers and keeps the records of the model, in any order of calls', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: LENGTH, size: 'max' }), async (history) => {
          const model = new Model();
          const store = await harness.open({ limits, clock: model.clock.now });
          for (const each of history.flat()) {
            await each(store, model);
            await compare(store, model);
          }
          await harness.cleanup();
        }),
        { numRuns: RUNS },
      );
    });
  });
}
