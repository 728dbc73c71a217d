import { fromBase64, toUtf8 } from '../../core/crypto/encoding.ts';
import { SallyportError } from '../../core/errors.ts';
import type { InboundEvent } from '../../core/event.ts';
import type { Identifier } from '../../core/identity.ts';
import { MAX_RELAY_BODY_BYTES } from '../../core/relay.ts';
import type { Inbox } from '../inbox.ts';
import type { Entry } from './outbox.ts';
import type { Judged } from './shard-store.ts';

/**
 * A shard as the Worker reaches it. The answer is plain data: where it comes over RPC, the driver copies it and disposes
 * the result. Errors may have the members `retryable`, `durableObjectReset` and `overloaded` that Cloudflare gives them.
 */
export interface ShardStub {
  accept(tenant: string, shard: string, entries: readonly Entry[]): Promise<readonly Judged[]>;
}

/** Below the 2 s within which an inbox has to say that its store is away (ms). */
const DEADLINE_MS = 1_500;

/** The event of a relayed batch that holds nothing else may be as large; the rest is for the envelope. */
export const MAX_EVENT_BYTES = MAX_RELAY_BODY_BYTES - 10_000;

/** UTF-8 needs at most three bytes for a UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

/** Of a digest, 48 bits. */
const NUMBER_CHARS = 8;

/**
 * The name of the shard that an event belongs to: `{tenant}/{n}`, where n is a keyed digest of tenant, channel and
 * container, so that nobody outside can aim at a shard.
 */
export const shardNameOf = (
  { tenant, channel }: InboundEvent,
  container: string,
  { identifier, shards }: { readonly identifier: Identifier; readonly shards: number },
): string => {
  const bytes = fromBase64(identifier.digest('shard', [tenant, channel, container]).slice(0, NUMBER_CHARS));
  const number = (bytes ?? new Uint8Array()).reduce((sum, byte) => sum * 256 + byte, 0);
  return `${tenant}/${number % shards}`;
};

/**
 * The inner door at the edge: events are accepted by the shards of their conversations, one call to each shard. An event is
 * judged again by the origin, to which the shard forwards it; `limited` is the origin's answer alone.
 */
export function createEdgeInbox(options: {
  readonly identifier: Identifier;
  /** Shards of a tenant. Marks and order live in them, so it changes only after they have been drained. */
  readonly shards: number;
  /** What holds the event's conversation at its vendor: the same for all events of a conversation and for all twins. */
  readonly containerOf: (event: InboundEvent) => string;
  /** A fresh stub each time: one that has failed stays broken. */
  readonly shardOf: (name: string) => ShardStub;
  /** Time limit of one call in ms. */
  readonly deadlineMs?: number;
}): Inbox {
  const { containerOf, shardOf, deadlineMs = DEADLINE_MS } = options;

  async function call({ tenant, name, entries }: Group): Promise<readonly Judged[]> {
    try {
      return await shardOf(name).accept(tenant, name, entries);
    } catch (error) {
      // The object restarted, or gave itself up because another call failed. What it accepted before is accepted again,
      // because the ids are the same.
      const isRestarted = has(error, 'retryable') || has(error, 'durableObjectReset');
      if (!isRestarted || has(error, 'overloaded')) throw error;
      return await shardOf(name).accept(tenant, name, entries);
    }
  }

  return {
    async accept(events) {
      const groups = new Map<string, Group>();
      for (const [place, event] of events.entries()) {
        const name = shardNameOf(event, containerOf(event), options);
        const group: Group = groups.get(name) ?? { tenant: event.tenant, name, entries: [], places: [] };
        group.entries.push(entryOf(event));
        group.places.push(place);
        groups.set(name, group);
      }
      const calls = [...groups.values()].map(async (group) => ({ group, answers: await call(group) }));
      const accepted: Judged[] = [];
      for (const { group, answers } of await inTime(Promise.all(calls), deadlineMs)) {
        if (answers.length !== group.entries.length) throw unavailable('a shard gave an invalid answer');
        for (const [n, answer] of answers.entries()) accepted[group.places[n] as number] = answer;
      }
      return accepted;
    },
  };
}

/** The events of one call that belong to one shard. */
interface Group {
  readonly tenant: string;
  readonly name: string;
  readonly entries: Entry[];
  /** Places of the entries among the events of the call. */
  readonly places: number[];
}

/** @throws SallyportError ERR_BODY_TOO_LARGE for an event that no batch can hold */
function entryOf(event: InboundEvent): Entry {
  const body = JSON.stringify(event);
  if (body.length * MAX_BYTES_PER_UNIT > MAX_EVENT_BYTES && toUtf8(body).length > MAX_EVENT_BYTES) {
    throw new SallyportError('ERR_BODY_TOO_LARGE', 'the event is larger than the edge can forward');
  }
  return {
    id: event.id,
    key: event.identity.key,
    fingerprint: event.identity.fingerprint,
    conversation: event.conversation.key,
    windowMs: event.windowMs,
    mentioned: event.mentioned,
    fleeting: event.seenUntil === 'start',
    body,
  };
}

const has = (error: unknown, name: 'retryable' | 'durableObjectReset' | 'overloaded'): boolean =>
  typeof error === 'object' && error !== null && name in error && (error as Record<string, unknown>)[name] === true;

const unavailable = (message: string, cause?: unknown): SallyportError =>
  new SallyportError('ERR_STORE_UNAVAILABLE', message, cause === undefined ? {} : { cause });

/** @throws SallyportError ERR_STORE_UNAVAILABLE when the promise rejects or does not settle in time */
async function inTime<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable('a shard did not answer in time')), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } catch (error) {
    throw error instanceof SallyportError ? error : unavailable('a shard did not answer', error);
  } finally {
    clearTimeout(timer);
  }
}
