import { z } from 'zod';

/** Rows of a page unless told otherwise. */
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/** What every list takes in its query. */
export const pageQuery = {
  cursor: z
    .string()
    .regex(/^[\w.~-]{1,200}$/)
    .optional(),
  limit: z
    .string()
    .regex(/^[1-9]\d{0,2}$/)
    .transform(Number)
    .refine((limit) => limit <= MAX_LIMIT)
    .default(DEFAULT_LIMIT),
};
