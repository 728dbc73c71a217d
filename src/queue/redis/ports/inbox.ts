import { setTimeout as delay } from 'node:timers/promises';
import { SallyportError } from '../../../core/errors.ts';
import type { InboundEvent } from '../../../core/event.ts';
import { type Accepted, type Inbox, ONE_STEP } from '../../inbox.ts';
import type { StoreLimits } from '../../store.ts';
import { isTimeout, withDeadline } from '../client/connection.ts';
import { runReplicated } from '../client/replicas.ts';
import type { MemoryGuard } from '../client/server-info.ts';
import { runScript, type ScriptArgument, scripts } from '../scripts.ts';
import type { Agreement, Shards } from '../shards.ts';

/**
 * Answers come within 2 s whatever hangs: a command has 1.5 s, but a Cluster client redirects and tries again, and a
 * batch may wait for replicas after that.
 */
const DEADLINE_MS = 1_800;

/**
 * One call of so many small events keeps Redis for less than a millisecond, and one of large events sends no more than a
 * MiB. A hundred in a call are 3 % faster, but p99 is a fifth higher (bench/README.md).
 */
const BATCH = { items: ONE_STEP.events, size: ONE_STEP.size };

interface Item {
  readonly event: InboundEvent;
  readonly json: string;
}

type Door = Batcher<Item, Accepted> & { close(): void };

/** One door per shard, so that a shard whose master hangs does not hold up the others. */
export function createInbox(deps: {
  readonly shards: Shards;
  readonly agreement: Agreement;
  readonly limits: StoreLimits;
  readonly minReplicas: number;
  readonly memory: MemoryGuard;
}): Inbox & { close(): void } {
  const doors = new Map(deps.shards.keys.tags.map((tag) => [tag, createDoor(deps, tag)]));
  const accept = (event: InboundEvent): Promise<Accepted> => {
    const door = doors.get(deps.shards.keys.tagOf(event.tenant)) as Door;
    const json = JSON.stringify(event);
    return door.add({ event, json }, json.length);
  };
  /** One step, where it is small enough for one and all of it belongs to one door. */
  function acceptTogether(events: readonly InboundEvent[], tenant: string): Promise<Accepted[]> {
    if (events.length > ONE_STEP.events || events.some((event) => event.tenant !== tenant)) {
      return Promise.all(events.map(accept));
    }
    const items = events.map((event) => ({ event, json: JSON.stringify(event) }));
    const door = doors.get(deps.shards.keys.tagOf(tenant)) as Door;
    door.makeRoom(
      items.length,
      items.reduce((size, { json }) => size + json.length, 0),
    );
    return Promise.all(items.map((item) => door.add(item, item.json.length)));
  }

  return {
    async accept(events) {
      const [first] = events;
      if (first === undefined) return [];
      if (events.length === 1) return [await accept(first)];
      return acceptTogether(events, first.tenant);
    },
    close: () => {
      for (const door of doors.values()) door.close();
    },
  };
}

function createDoor(
  { shards, agreement, limits, minReplicas, memory }: Parameters<typeof createInbox>[0],
  tag: string,
): Door {
  const { client } = shards;
  const breaker = createBreaker(() => client.exists(tag));
  const call = async (args: readonly ScriptArgument[]): Promise<unknown> => {
    await agreement.ensure();
    return minReplicas > 0
      ? runReplicated(client, scripts.accept, tag, args, minReplicas)
      : runScript(client, scripts.accept, tag, args);
  };

  async function send(items: readonly Item[]): Promise<Accepted[]> {
    if (memory.isFull()) return items.map(() => ({ outcome: 'full' }));
    const args: ScriptArgument[] = [
      ...[shards.now(), limits.queueCap, retentions(items, limits)],
      ...[limits.channelRate.count, limits.channelRate.windowMs],
    ];
    for (const { event, json } of items) args.push(headOf(event), json);
    try {
      const reply = await breaker.guard(() => withDeadline(call(args), DEADLINE_MS));
      return answersOf(reply as string[]);
    } catch (error) {
      throw shards.failed(error);
    }
  }
  return { ...createBatcher(send, BATCH), close: breaker.close };
}

/** That of all, and of each tenant in the batch that has its own: ` <tenant>=<ms>`. */
function retentions(items: readonly Item[], { retentionMs, retentionMsOf = new Map() }: StoreLimits): string {
  const own = retentionMsOf.size === 0 ? [] : [...new Set(items.map(({ event }) => event.tenant))];
  return [
    retentionMs,
    ...own.flatMap((tenant) => (retentionMsOf.has(tenant) ? [`${tenant}=${retentionMsOf.get(tenant)}`] : [])),
  ].join(' ');
}

function headOf({
  tenant,
  channel,
  identity,
  id,
  conversation,
  windowMs,
  receivedAt,
  mentioned,
  seenUntil,
}: InboundEvent): string {
  // What Redis refuses as a time to live would fail every event of the batch.
  const window = Math.max(1, Math.ceil(windowMs));
  const flags = `${mentioned ? '1' : ''}\n${seenUntil === 'start' ? '1' : ''}`;
  return `${tenant}\n${identity.key}\n${identity.fingerprint}\n${id}\n${conversation.key}\n${window}\n${receivedAt}\n${flags}\n${channel}`;
}

function answersOf(reply: readonly string[]): Accepted[] {
  const answers: Accepted[] = [];
  for (let i = 0; i < reply.length; i += 2) {
    const outcome = reply[i] as Accepted['outcome'];
    const about = reply[i + 1] as string;
    if (outcome === 'full') answers.push({ outcome });
    else if (outcome === 'limited') answers.push({ outcome, retryAfterMs: Number(about) });
    else answers.push({ outcome, id: about });
  }
  return answers;
}

/** Collects what is asked for within one turn of the event loop and sends it together. */
interface Batcher<Item, Answer> {
  /** Sends what waits if so much more would not fit into one batch with it: what is added next stays together. */
  makeRoom(items: number, size: number): void;
  add(item: Item, size: number): Promise<Answer>;
}

/** A batch that reached either does not wait for the turn's end: Redis works while the rest is still being prepared. */
interface BatchLimits {
  readonly items: number;
  /** Passed only by a single item that is larger. */
  readonly size: number;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** `send` answers for each item, in order. Batches go out in order. */
function createBatcher<Item, Answer>(
  send: (items: readonly Item[]) => Promise<readonly Answer[]>,
  limits: BatchLimits,
): Batcher<Item, Answer> {
  let waiting: Waiting<Item, Answer>[] = [];
  let waitingSize = 0;

  async function deliver(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    try {
      const answers = await send(batch.map(({ item }) => item));
      for (let i = 0; i < batch.length; i += 1) batch[i]?.resolve(answers[i] as Answer);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function flush(): void {
    if (waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    waitingSize = 0;
    void deliver(batch);
  }

  return {
    makeRoom(items, size) {
      if (waiting.length + items > limits.items || waitingSize + size > limits.size) flush();
    },
    add: (item, size) =>
      new Promise((resolve, reject) => {
        if (waitingSize + size > limits.size) flush();
        waitingSize += size;
        const count = waiting.push({ item, resolve, reject });
        if (count >= limits.items) flush();
        else if (count === 1) setImmediate(flush);
      }),
  };
}

/** Rejects at once while the other side is known to hang, so that not every request waits for its own timeout. */
interface Breaker {
  /** @throws SallyportError ERR_STORE_UNAVAILABLE while open; otherwise what `work` throws */
  guard<T>(work: () => Promise<T>): Promise<T>;
  close(): void;
}

/** Between two questions whether a hung Redis is back: recovery is noticed this much late at most. */
const PROBE_EVERY_MS = 100;

/** `probe` resolves when the other side answers again. One timeout opens the breaker: it took 1.5 s to be sure. */
function createBreaker(probe: () => Promise<unknown>): Breaker {
  let isOpen = false;
  let isClosed = false;

  async function probeUntilBack(): Promise<void> {
    while (isOpen && !isClosed) {
      try {
        await probe();
        isOpen = false;
      } catch {
        await delay(PROBE_EVERY_MS, undefined, { ref: false });
      }
    }
  }

  return {
    async guard(work) {
      if (isOpen) throw new SallyportError('ERR_STORE_UNAVAILABLE', 'Redis hangs (breaker open)');
      try {
        return await work();
      } catch (error) {
        if (isTimeout(error) && !isOpen) {
          isOpen = true;
          void probeUntilBack();
        }
        throw error;
      }
    },
    close: () => {
      isClosed = true;
    },
  };
}
