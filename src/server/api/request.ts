import { z } from 'zod';
import { SallyportError } from '../../core/errors.ts';
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
  return validated(parse(await readBodyStream(c.req.raw, LIMITS)), shape);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new SallyportError('ERR_BODY_UNPARSABLE', 'the body must be JSON, in UTF-8');
  }
}

/** The query of an API call. @throws SallyportError ERR_INVALID_REQUEST */
export const readQuery = <T>(c: AppContext, shape: z.ZodType<T>): T => validated(c.req.query(), shape);

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
    .default(otherwise);
}

/** What every list takes in its query. */
export const pageQuery = {
  cursor: z
    .string()
    .regex(/^[\w.~-]{1,200}$/, { error: 'must be the cursor of an earlier page' })
    .optional(),
  limit: limitUpTo(MAX_LIMIT, DEFAULT_LIMIT),
};

/** The id in a path. Names of records go into keys of the store: what is not one of our ids is not even asked for. */
export function eventId(c: AppContext): string {
  const id = c.req.param('id') ?? '';
  if (!/^ev_[0-9A-Z]{26}$/.test(id)) throw notFound();
  return id;
}

export const notFound = (): SallyportError => new SallyportError('ERR_NOT_FOUND', 'no such event');
