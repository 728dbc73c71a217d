import * as z from 'zod';
import { errorCodes } from '../../core/errors.ts';

/** Parts that answers of several routes share. They describe and are not checked against what is answered. */

/** UTC, with milliseconds. */
export const instant = z.iso.datetime();
export const errorCode = z.enum(errorCodes).meta({ id: 'ErrorCode', description: 'What went wrong; see the errors.' });
/** Whole, 0 or more. */
export const count = z.int().min(0);
export const nextCursor = z.string().nullable().describe('`cursor` of the next page; null after the last');
export const failure = z.object({ code: errorCode });

/** The other side's word for what went wrong, and the HTTP status of its answer. */
export const causeFields = {
  cause: z.string().optional().describe('the code of the other side, such as `not_in_channel` or `http_503`'),
  status: z.int().optional().describe('the HTTP status of its answer'),
};

/** The path of whatever belongs to one event. Names of records go into keys of the store, so nothing else is looked for. */
export const eventParams = z.object({
  id: z
    .string()
    .regex(/^ev_[0-9A-Z]{26}$/, { error: 'no such event' })
    .describe('the id of an event'),
});

export const problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int().describe('the status of the answer'),
    code: errorCode,
    detail: z.string().optional().describe('what to change; never repeats what was sent'),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('each field that is wrong'),
    requestId: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });
