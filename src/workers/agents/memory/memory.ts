import * as z from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { toUtf8 } from '../../../core/crypto/encoding.ts';
import { codeOf } from '../../../core/errors.ts';
import type { Conversation, EventRecord, InboundEvent } from '../../../core/event.ts';
import type { Identifier } from '../../../core/identity.ts';
import type { Logger } from '../../../core/logger.ts';
import { TURN_STEP } from '../../../queue/journal.ts';
import { startLeader } from '../../../queue/leader.node.ts';
import type { Lease } from '../../../queue/lease.ts';
import { type Collection, createCollection, isUnreadable } from '../../../queue/records/collection.ts';
import type { Records } from '../../../queue/records.ts';
import type { Steps } from '../../steps.ts';

/** One question and its answer, both scrubbed. */
export interface Turn {
  /** The event's id. */
  readonly id: string;
  /** Epoch ms at which the answer was delivered. */
  readonly at: number;
  /** Who asked, as the channel names them. */
  readonly author: string;
  readonly asked: string;
  readonly said: string;
}

/** Whose past it is. */
export interface Remembered {
  readonly tenant: string;
  readonly channel: string;
  readonly conversation: Conversation;
}

/** What conversations remember of their own past. Nothing crosses from one to another, or from tenant to tenant. */
export interface Memory {
  /** The latest turns within the bounds, oldest first; none that this release cannot read. @throws SallyportError ERR_STORE_UNAVAILABLE */
  recall(whose: Remembered): Promise<readonly Turn[]>;
  /** Keeps a turn, once however often it is given. @throws SallyportError ERR_STORE_UNAVAILABLE */
  remember(whose: Remembered, turn: Turn): Promise<void>;
  /** Drops one turn. @throws SallyportError ERR_STORE_UNAVAILABLE */
  forgetTurn(whose: Remembered, id: string): Promise<void>;
  /**
   * Drops turns of a tenant: those that are too old, or somebody's whose content is erased. Reads all there are.
   * @returns how many were dropped
   * @throws SallyportError ERR_STORE_UNAVAILABLE
   */
  forget(tenant: string, isGone: (turn: Turn, channel: string) => boolean): Promise<number>;
}

export interface MemoryBounds {
  readonly turns: number;
  /** Of UTF-8, all turns of a conversation together. No token is shorter than a byte. */
  readonly bytes: number;
  readonly ageMs: number;
}

/**
 * Conversations are spread over as many collections as base64url has characters, so that reading all of them never takes
 * one answer of the store as large as all of them together.
 */
const BUCKETS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
const collectionOf = (name: string): string => `memory-${name.slice(0, 1)}`;

const turnSchema = z.object({
  id: z.string(),
  at: z.number(),
  author: z.string(),
  asked: z.string(),
  said: z.string(),
});

/** The channel is kept for erasure: whose turns they are is told by channel and author. */
const keptSchema = z.object({ v: z.literal(1), channel: z.string(), turns: z.array(turnSchema) });
type Kept = z.output<typeof keptSchema>;

export function createMemory({
  records,
  digest,
  clock,
  bounds,
}: {
  readonly records: Records;
  readonly digest: Identifier['digest'];
  readonly clock: Clock;
  readonly bounds: MemoryBounds;
}): Memory {
  const nameOf = ({ conversation }: Remembered): string => digest('memory', [conversation.key]);
  const bucketOf = (name: string): Collection<Kept> => createCollection(records, collectionOf(name), keptSchema);

  return {
    async recall(whose) {
      if (bounds.turns === 0) return [];
      const name = nameOf(whose);
      const kept = await bucketOf(name)
        .get(whose.tenant, name)
        .catch((error: unknown) => {
          // An answer without the past is better than none.
          if (isUnreadable(error)) return null;
          throw error;
        });
      return within(bounds, clock(), kept?.turns ?? []);
    },
    async remember(whose, turn) {
      if (bounds.turns === 0) return;
      const name = nameOf(whose);
      await bucketOf(name).update(whose.tenant, name, (kept) => {
        const turns = kept?.turns ?? [];
        if (turns.some(({ id }) => id === turn.id)) return kept;
        const latest = within(bounds, clock(), [...turns, shortened(turn, bounds)]);
        return latest.length === 0 ? null : { v: 1, channel: whose.channel, turns: latest };
      });
    },
    async forgetTurn(whose, id) {
      const name = nameOf(whose);
      await bucketOf(name).update(whose.tenant, name, (kept) => withoutTurns(kept, (turn) => turn.id === id));
    },
    async forget(tenant, isGone) {
      let dropped = 0;
      for (const first of BUCKETS) {
        const bucket = bucketOf(first);
        for (const name of (await bucket.list(tenant)).records.keys()) {
          let now = 0;
          await bucket.update(tenant, name, (kept) => {
            const left = withoutTurns(kept, (turn) => isGone(turn, kept?.channel ?? ''));
            now = (kept?.turns.length ?? 0) - (left?.turns.length ?? 0);
            return left;
          });
          dropped += now;
        }
      }
      return dropped;
    },
  };
}

/** What is left of a conversation's turns: the same object where that is all of them, null where it is none. */
function withoutTurns(kept: Kept | null, isGone: (turn: Turn) => boolean): Kept | null {
  const turns = kept?.turns.filter((turn) => !isGone(turn)) ?? [];
  if (kept === null || turns.length === kept.turns.length) return kept;
  return turns.length === 0 ? null : { ...kept, turns };
}

/** A turn takes half of the room at most, so that there is always one before it. */
function shortened(turn: Turn, { bytes }: MemoryBounds): Turn {
  const most = Math.floor(bytes / 4) - NOTE_BYTES;
  return { ...turn, asked: cut(turn.asked, most), said: cut(turn.said, most) };
}

/** What `cut` adds, and the id and author of a turn, at most. */
const NOTE_BYTES = 128;

/** The latest turns that are within all bounds, oldest first. */
export function within({ turns: most, bytes, ageMs }: MemoryBounds, now: number, turns: readonly Turn[]): Turn[] {
  const kept: Turn[] = [];
  let size = 0;
  for (const turn of [...turns].reverse()) {
    size += toUtf8(turn.asked).length + toUtf8(turn.said).length + toUtf8(turn.author).length;
    if (kept.length === most || size > bytes || now - turn.at > ageMs) break;
    kept.unshift(turn);
  }
  return kept;
}

/** How often it is done, in ms. */
const EVERY_MS = 3_600_000;
/** Life of the lease without renewal, in ms. Turns are so rare that it need not be renewed more often. */
const LEASE_MS = 600_000;

/** Drops old turns of conversations nobody goes on with, now and then, until `signal` is aborted. */
export function startForgetting(
  {
    memory,
    tenants,
    ageMs,
    acquire,
    clock,
    logger,
  }: {
    readonly memory: Memory;
    readonly tenants: readonly string[];
    /** Turns older than this are dropped, in ms. They are not shown any more either way. */
    readonly ageMs: number;
    /** `Lease.acquire`: of all workers one does it. */
    readonly acquire: Lease['acquire'];
    readonly clock: Clock;
    readonly logger: Logger;
  },
  signal: AbortSignal,
  everyMs = EVERY_MS,
): void {
  const leader = startLeader({
    acquire,
    name: 'memory-forget',
    everyMs,
    firstAfterMs: everyMs,
    leaseMs: LEASE_MS,
    async turn(lost) {
      for (const tenant of tenants) {
        const turns = await memory.forget(tenant, ({ at }) => {
          lost.throwIfAborted();
          return clock() - at > ageMs;
        });
        if (turns > 0) logger.info({ tenant, turns }, 'memory.forgotten');
        lost.throwIfAborted();
      }
    },
    onError: (error) => logger.warn({ code: codeOf(error) }, 'memory.forget-failed'),
  });
  signal.addEventListener('abort', () => void leader.close(), { once: true });
}

/** More of a question than any memory keeps would only fill the journal. */
const MAX_BYTES = 64 * 1024;

const askedSchema = z.object({ author: z.string(), asked: z.string() });

/** Notes what was asked, for `rememberTurn`. @throws SallyportError ERR_LEASE_LOST, ERR_STORE_UNAVAILABLE */
export async function noteTurn({ author, text }: InboundEvent, steps: Steps): Promise<void> {
  if (steps.earlier(TURN_STEP) !== undefined) return;
  await steps.record(TURN_STEP, { kind: 'result', value: { author: author.id, asked: cut(text, MAX_BYTES) } });
}

/**
 * Keeps a turn whose answer was delivered, unless the run is no longer the worker's by then: the event may have been erased
 * while its answer was on the way, and what is written after that nobody would look for. Never throws: the answer stands
 * whether or not it is remembered.
 */
export async function rememberTurn(
  { event }: EventRecord,
  said: string,
  steps: Steps,
  {
    memory,
    isOurs,
    clock,
    logger,
  }: {
    readonly memory: Memory | null;
    /** Whether the run's lease still holds. */
    readonly isOurs: () => Promise<boolean>;
    readonly clock: Clock;
    readonly logger: Logger;
  },
): Promise<void> {
  const asked = askedSchema.safeParse(steps.earlier(TURN_STEP)?.value);
  if (memory === null || !asked.success) return;
  try {
    await memory.remember(event, { id: event.id, at: clock(), ...asked.data, said });
    if (!(await isOurs())) await memory.forgetTurn(event, event.id);
  } catch (error) {
    logger.warn({ eventId: event.id, error }, 'memory.not-kept');
  }
}

/** The beginning of a text that fits into so many bytes of UTF-8, with a word about what is missing. */
export function cut(text: string, maxBytes: number): string {
  // No character takes more than three bytes a UTF-16 unit.
  if (text.length * 3 <= maxBytes) return text;
  const bytes = toUtf8(text);
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes;
  // 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}\n[cut here: ${bytes.length - end} bytes more]`;
}
