import * as z from 'zod';
import type { Usage } from './event.ts';
import type { JsonObject } from './json/json-text.ts';

const count = z.int().min(0).optional();

/**
 * What an `http` agent says: in its response, or with `run` beside it in a callback. Strict, because a misspelt `reply`
 * would be a silence nobody meant. docs/http-agent.md is this, for people.
 */
const shape = {
  reply: z.strictObject({ text: z.string().max(100_000) }).optional(),
  /** What it used; a figure that is left out counts as all that was reserved of it. */
  usage: z
    .strictObject({
      inputTokens: count,
      outputTokens: count,
      usdMicros: count,
      modelCalls: count,
      toolCalls: count,
    })
    .optional(),
  /** A person looks at the reply first. */
  review: z.boolean().optional(),
};

export const httpAnswerSchema = z.strictObject(shape);
export const callbackSchema = z.strictObject({ run: z.string(), ...shape });

export type HttpAnswer = z.output<typeof httpAnswerSchema>;

/** The figures it names. */
export const reportedUsage = ({ usage = {} }: HttpAnswer): Partial<Usage> =>
  Object.fromEntries(Object.entries(usage).filter(([, figure]) => figure !== undefined));

/** The answer as it is stored: always the same text for the same answer. */
export const storedAnswer = (answer: HttpAnswer): JsonObject => ({
  ...(answer.reply !== undefined && { reply: { text: answer.reply.text } }),
  usage: Object.fromEntries(Object.entries(reportedUsage(answer)).sort(([a], [b]) => (a < b ? -1 : 1))),
  review: answer.review ?? false,
});
