import * as z from 'zod';
import { SallyportError } from '../../core/errors.ts';
import { decodeText, parseUniqueJson } from '../../core/json/json-text.ts';
import { validated } from '../../core/validate.ts';
import { readBodyStream } from '../http/body.ts';
import type { AppContext } from '../http/context.ts';

/** Bodies of the API are settings and short texts. */
const LIMITS = { maxBytes: 64 * 1024, timeoutMs: 10_000 };

/**
 * The body of an API call, in the shape it must have.
 * @throws SallyportError ERR_BODY_UNPARSABLE, ERR_INVALID_REQUEST, or as `readBodyStream`
 */
export async function readJson<T>(c: AppContext, shape: z.ZodType<T>): Promise<T> {
  return validated(parseUniqueJson(decodeText(await readBodyStream(c.req.raw, LIMITS))), shape);
}

/** Rows of a page unless told otherwise. */
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** Rows of a page: a number in the query, at most `most`, which has up to four digits. */
export function limitUpTo(most: number, otherwise: number) {
  const error = `must be a whole number from 1 to ${most}`;
  return z
    .string()
    .regex(/^[1-9]\d{0,3}$/, { error })
    .transform(Number)
    .refine((limit) => limit <= most, { error })
    .default(otherwise)
    .describe(`rows, 1 to ${most}; ${otherwise} unless given`);
}

/** What every list takes in its query. */
export const pageQuery = {
  cursor: z
    .string()
    .regex(/^[\w.~-]{1,200}$/, { error: 'must be the cursor of an earlier page' })
    .optional()
    .describe('`cursor` of the page before'),
  limit: limitUpTo(MAX_LIMIT, DEFAULT_LIMIT),
};

export const notFound = (): SallyportError => new SallyportError('ERR_NOT_FOUND', 'no such event');
