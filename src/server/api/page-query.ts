import { z } from 'zod';

/** Rows of a page unless told otherwise. */
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** Rows of a page: a number in the query, at most `most`, which has up to four digits. */
export const limitUpTo = (most: number, otherwise: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,3}$/)
    .transform(Number)
    .refine((limit) => limit <= most)
    .default(otherwise);

/** What every list takes in its query. */
export const pageQuery = {
  cursor: z
    .string()
    .regex(/^[\w.~-]{1,200}$/)
    .optional(),
  limit: limitUpTo(MAX_LIMIT, DEFAULT_LIMIT),
};
