import { z } from 'zod';
import type { Clock } from '../../../core/clock.ts';
import { toUtf8 } from '../../../core/encoding.ts';
import type { Conversation } from '../../../core/event.ts';
import type { Identifier } from '../../../core/identity.ts';
import type { Records } from '../../../queue/records.ts';
import { cut } from '../cut.ts';

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
  /** The latest turns within the bounds, oldest first. @throws SallyportError ERR_STORE_UNAVAILABLE */
  recall(whose: Remembered): Promise<readonly Turn[]>;
  /** Keeps a turn, once however often it is given. @throws SallyportError ERR_STORE_UNAVAILABLE */
  remember(whose: Remembered, turn: Turn): Promise<void>;
}

export interface MemoryBounds {
  readonly turns: number;
  /** Of UTF-8, all turns of a conversation together. No token is shorter than a byte. */
  readonly bytes: number;
  readonly ageMs: number;
}

export interface MemoryDeps {
  readonly records: Records;
  readonly digest: Identifier['digest'];
  readonly clock: Clock;
  readonly bounds: MemoryBounds;
}

const COLLECTION = 'memory';

/** Writers of one conversation: the worker that has it, and one that has lost it and does not know yet. */
const MAX_TRIES = 5;

const turnSchema = z.object({
  id: z.string(),
  at: z.number(),
  author: z.string(),
  asked: z.string(),
  said: z.string(),
});

/** The channel is kept for erasure: whose turns they are is told by channel and author. */
const recordSchema = z.object({ v: z.literal(1), channel: z.string(), turns: z.array(turnSchema) });

export function createMemory({ records, digest, clock, bounds }: MemoryDeps): Memory {
  const nameOf = ({ conversation }: Remembered): string => digest('memory', [conversation.key]);

  async function read(whose: Remembered): Promise<{ readonly turns: readonly Turn[]; readonly revision: number }> {
    const stored = await records.get(whose.tenant, COLLECTION, nameOf(whose));
    // What another release wrote in another form is forgotten rather than guessed at.
    const parsed = recordSchema.safeParse(stored?.value);
    return { turns: parsed.success ? parsed.data.turns : [], revision: stored?.revision ?? 0 };
  }

  return {
    recall: async (whose) => (bounds.turns === 0 ? [] : within(bounds, clock(), (await read(whose)).turns)),
    async remember(whose, turn) {
      if (bounds.turns === 0) return;
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const { turns, revision } = await read(whose);
        if (turns.some(({ id }) => id === turn.id)) return;
        const kept = within(bounds, clock(), [...turns, shortened(turn, bounds)]);
        const value = { v: 1, channel: whose.channel, turns: kept.map((one) => ({ ...one })) };
        if (await records.compareAndSet(whose.tenant, COLLECTION, nameOf(whose), revision, value)) return;
      }
    },
  };
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
