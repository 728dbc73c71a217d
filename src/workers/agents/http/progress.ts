import { z } from 'zod';
import { type HttpAnswer, httpAnswerSchema } from '../../../core/http-answer.ts';
import type { JsonValue } from '../../../core/json/json.ts';
import type { JournalEntry } from '../../../queue/journal.ts';

const schema = z.discriminatedUnion('state', [
  /** It said 202. `kept` is the run's reservation (`Held.keep`). */
  z.object({ state: z.literal('asked'), until: z.number(), kept: z.json() }),
  z.object({ state: z.literal('answered'), answer: httpAnswerSchema }),
]);

/** How far the journal says a run got with its agent; `until` is epoch ms. */
export type Progress =
  | { readonly state: 'asked'; readonly until: number; readonly kept: JsonValue }
  | { readonly state: 'answered'; readonly answer: HttpAnswer };

/** Null when nothing was recorded, and for what another release recorded: then the agent is asked again. */
export const readProgress = (entry: JournalEntry | undefined): Progress | null =>
  entry === undefined ? null : ((schema.safeParse(entry.value).data as Progress | undefined) ?? null);

/** What was called back, if anything was. */
export const readCallback = (entry: JournalEntry | undefined): HttpAnswer | null =>
  entry === undefined ? null : (httpAnswerSchema.safeParse(entry.value).data ?? null);
