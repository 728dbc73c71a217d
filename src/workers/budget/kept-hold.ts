import { z } from 'zod';
import type { Usage } from '../../core/event.ts';
import type { JsonValue } from '../../core/json/json.ts';
import type { Reservation } from '../../queue/ledger.ts';

const count = z.int().min(0);

const schema = z.object({
  v: z.literal(1),
  reservation: z.object({ id: z.string(), lines: count }),
  worst: z.object({
    usdMicros: count,
    inputTokens: count,
    outputTokens: count,
    modelCalls: count,
    toolCalls: count,
  }),
});

/** A reservation that outlives its attempt. */
export interface KeptHold {
  readonly reservation: Reservation;
  readonly worst: Usage;
}

export const keptHold = ({ id, lines }: Reservation, worst: Usage): JsonValue => ({
  v: 1,
  reservation: { id, lines },
  worst: { ...worst },
});

/** Null for what `keptHold` did not make. */
export const readKeptHold = (value: JsonValue): KeptHold | null => schema.safeParse(value).data ?? null;
